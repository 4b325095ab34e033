/* SPDX-License-Identifier: Apache-2.0 */
/* `ringwatch`: the command for people and pipelines. */
#include "ctl/commands.h"

int main(int argc, char **argv)
{
	return rw_ctl_main(argc, argv);
}
