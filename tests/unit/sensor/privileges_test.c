/* SPDX-License-Identifier: Apache-2.0 */
/* What is shed is really gone, and what the sensor goes on to do still works. */
#include "sensor/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/rw-privileges-XXXXXX";

/* A line of /proc/self/status, without its name. */
static bool status_is(const char *name, const char *value)
{
	char line[256];
	bool found = false;
	FILE *file = fopen("/proc/self/status", "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			found = strstr(line + strlen(name), value) != NULL;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static void *thread_runs(void *flag)
{
	*(bool *)flag = true;
	return NULL;
}

/* In a child, since there is no way back. The number of the step that was wrong, or 0. */
static int after_shedding(const char *user)
{
	struct rw_privileges wanted = {.user = user, .state_dir = folder};
	char what[RW_PRIVILEGES_TEXT_BYTES];
	char path[128];
	bool ran = false;
	pthread_t thread;

	rw_privileges_shed(&wanted, what);
	if (strstr(what, "no_new_privs=yes seccomp=yes") == NULL)
		return 1;
	if (!status_is("CapEff:", "0000000000000000") || !status_is("CapPrm:", "0000000000000000"))
		return 2;
	if (!status_is("Seccomp:", "2"))
		return 3;
	if (execl("/bin/true", "true", NULL) != -1 || errno != EPERM)
		return 4;
	if (socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != EPERM)
		return 5;
	if (setuid(0) == 0 && user != NULL)
		return 6;
	/* and now what it lives on */
	snprintf(path, sizeof(path), "%s/spool", folder);
	int fd = open(path, O_RDWR | O_APPEND);
	if (fd < 0 || write(fd, "more", 4) != 4 || fsync(fd) != 0)
		return 7;
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return 8;
	if (pthread_create(&thread, NULL, thread_runs, &ran) != 0 ||
	    pthread_join(thread, NULL) != 0 || !ran)
		return 9;
	close(fd);
	close(sock);
	return 0;
}

static int in_child(const char *user)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(after_shedding(user));
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void rights_are_gone_and_the_work_goes_on(void **state)
{
	(void)state;
	assert_int_equal(in_child(NULL), 0);
}

static void the_state_goes_to_the_user_with_all_that_is_in_it(void **state)
{
	char path[128];
	struct stat info;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child("nobody"), 0);
	assert_int_equal(stat(folder, &info), 0);
	assert_int_not_equal(info.st_uid, 0);
	uid_t user = info.st_uid;
	snprintf(path, sizeof(path), "%s/archive/dump", folder);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_uid, user);
	/* a link is given away itself, never what it points to */
	assert_int_equal(stat("/etc/passwd", &info), 0);
	assert_int_equal(info.st_uid, 0);
}

static void a_user_that_does_not_exist_is_no_reason_to_stop(void **state)
{
	(void)state;
	assert_int_equal(in_child("no-such-user-here"), 0);
}

static int write_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? -1 : close(fd);
}

static int make_state(void **state)
{
	char path[128];

	(void)state;
	if (mkdtemp(folder) == NULL || write_file("spool") != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/archive", folder);
	if (mkdir(path, 0700) != 0 || write_file("archive/dump") != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/link", folder);
	return symlink("/etc/passwd", path);
}

static int remove_state(void **state)
{
	static const char *const names[] = {"spool", "archive/dump", "link"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (unlink(path) != 0)
			return -1;
	}
	snprintf(path, sizeof(path), "%s/archive", folder);
	return rmdir(path) != 0 || rmdir(folder) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rights_are_gone_and_the_work_goes_on),
		cmocka_unit_test(the_state_goes_to_the_user_with_all_that_is_in_it),
		cmocka_unit_test(a_user_that_does_not_exist_is_no_reason_to_stop),
	};

	return cmocka_run_group_tests(tests, make_state, remove_state);
}
