/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arming netconsole through configfs; see netconsole.h and the kernel's
 * Documentation/networking/netconsole.rst.
 *
 * The module is loaded by the program that the kernel itself uses for that
 * (/proc/sys/kernel/modprobe): it knows where modules lie, in which form, and
 * what they need. Where configfs is not mounted it is.
 */
#include "sensor/netconsole.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/units.h"

enum {
	PATH_BYTES = 512,
	VALUE_BYTES = 64,
	MODPROBE_MS = 10000,
	MODPROBE_LOOK_MS = 10,
	LEVEL_HIGHEST = 5,      /* notice */
	LEVEL_LOWEST = 1,       /* alert */
	FACILITY_USER = 1 << 3, /* what /dev/kmsg makes of 0 anyway */
};

static const char subsystem[] = "/sys/kernel/config/netconsole";
static const char target_name[] = "ringwatch";

struct rw_netconsole {
	const char *root;
	int kmsg;   /* /dev/kmsg, to write */
	int printk; /* /proc/sys/kernel/printk */
	bool is_armed;
	char words[RW_NETCONSOLE_WORDS_BYTES];
};

/* ---- words ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct rw_netconsole *n, const char *fmt, ...)
{
	va_list arguments;

	va_start(arguments, fmt);
	vsnprintf(n->words, sizeof(n->words), fmt, arguments);
	va_end(arguments);
}

const char *rw_netconsole_words(const struct rw_netconsole *n)
{
	return n->words;
}

int rw_netconsole_parse_target(const char *text, struct rw_netconsole_target *out)
{
	struct rw_netconsole_target target;
	char address[RW_IP_TEXT_BYTES];
	const char *colon = strrchr(text, ':');
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);
	bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
	uint64_t port;

	if (bracketed) {
		text++;
		length -= 2;
	}
	if (length == 0 || length >= sizeof(address) ||
	    rw_units_parse_uint(colon + 1, &port) != 0 || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	if (rw_ip_parse(address, &target.address) != 0 || target.address.is_v6 != bracketed)
		return -EINVAL;
	target.port = (uint16_t)port;
	*out = target;
	return 0;
}

/* ---- the kernel's part: module and configfs ---------------------------------------------- */

static bool is_there(const struct rw_netconsole *n, const char *path)
{
	char full[PATH_BYTES];

	snprintf(full, sizeof(full), "%s%s", n->root, path);
	return access(full, F_OK) == 0;
}

/* The program's exit status; negative errno when it did not run to its end. */
static int wait_for(pid_t child)
{
	const struct timespec pause = {.tv_nsec = MODPROBE_LOOK_MS * 1000000L};
	int status;

	for (int waited_ms = 0; waited_ms < MODPROBE_MS; waited_ms += MODPROBE_LOOK_MS) {
		pid_t done = waitpid(child, &status, WNOHANG);
		if (done < 0 && errno != EINTR)
			return -errno;
		if (done == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
		nanosleep(&pause, NULL);
	}
	kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	return -ETIMEDOUT;
}

/* Not with our signal mask: it blocks what would end it. */
static int run_modprobe(const char *program)
{
	char name[] = "modprobe", quiet[] = "-q", module[] = "netconsole";
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const argv[] = {name, quiet, module, NULL};
	char *const env[] = {path, NULL};
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t child;

	sigemptyset(&none);
	if (posix_spawnattr_init(&attributes) != 0)
		return -ENOMEM;
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	int err = posix_spawn(&child, program, NULL, &attributes, argv, env);
	posix_spawnattr_destroy(&attributes);
	return err != 0 ? -err : wait_for(child);
}

static bool load_module(struct rw_netconsole *n)
{
	rw_autofree char *text = NULL;
	const char *program = "/sbin/modprobe";

	if (rw_file_read("/proc/sys/kernel/modprobe", PATH_BYTES, &text, NULL) == 0 &&
	    text[0] == '/') {
		text[strcspn(text, "\n")] = '\0';
		program = text;
	}
	int status = run_modprobe(program);
	if (status > 0)
		say(n, "the kernel has no netconsole module to load (modprobe ended with %d)",
		    status);
	if (status < 0)
		say(n, "the netconsole module is not loaded, and %.64s: %s", program,
		    strerror(-status));
	return status == 0;
}

/* Until netconsole's tree is there. */
static bool open_subsystem(struct rw_netconsole *n)
{
	static const char mount_point[] = "/sys/kernel/config";

	if (is_there(n, subsystem))
		return true;
	if (n->root[0] == '\0') {
		if (!is_there(n, "/sys/module/netconsole") && !load_module(n))
			return false;
		if (!is_there(n, subsystem) && mount("configfs", mount_point, "configfs",
						     MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
			say(n, "configfs cannot be mounted on %s: %s", mount_point,
			    strerror(errno));
			return false;
		}
	}
	if (is_there(n, subsystem))
		return true;
	say(n, "this kernel's netconsole cannot be set up at run time (no NETCONSOLE_DYNAMIC)");
	return false;
}

/* ---- the target ------------------------------------------------------------------ */

struct attribute {
	const char *name;
	char value[VALUE_BYTES];
};

enum { ATTRIBUTES = 7 };

static void attribute_path(const struct rw_netconsole *n, const char *name, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s%s/%s/%s", n->root, subsystem, target_name, name);
}

static bool is_set(const struct rw_netconsole *n, const char *name, const char *value)
{
	rw_autofree char *text = NULL;
	char path[PATH_BYTES];

	attribute_path(n, name, path);
	if (rw_file_read(path, PATH_BYTES, &text, NULL) != 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, value) == 0;
}

/* False with words. */
static bool set(struct rw_netconsole *n, const char *name, const char *value)
{
	char path[PATH_BYTES];
	int err;

	attribute_path(n, name, path);
	rw_autoclose int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	err = fd < 0 ? -errno : rw_file_write_all(fd, value, strlen(value));
	if (err != 0)
		say(n, "netconsole refuses %s %s: %s", name, value, strerror(-err));
	return err == 0;
}

static void fill(const struct rw_netconsole_target *target, const struct rw_route *route,
		 struct attribute out[ATTRIBUTES])
{
	const uint8_t *mac = route->mac;

	out[0] = (struct attribute){.name = "dev_name"};
	snprintf(out[0].value, VALUE_BYTES, "%s", route->device);
	out[1] = (struct attribute){.name = "local_ip"};
	rw_ip_print(&route->local, out[1].value);
	out[2] = (struct attribute){.name = "remote_ip"};
	rw_ip_print(&target->address, out[2].value);
	out[3] = (struct attribute){.name = "local_port"};
	snprintf(out[3].value, VALUE_BYTES, "%d", (int)RW_NETCONSOLE_LOCAL_PORT);
	out[4] = (struct attribute){.name = "remote_port"};
	snprintf(out[4].value, VALUE_BYTES, "%u", (unsigned)target->port);
	out[5] = (struct attribute){.name = "remote_mac"};
	snprintf(out[5].value, VALUE_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	/* tells facility, level and sequence of each line */
	out[6] = (struct attribute){.name = "extended", .value = "1"};
}
_Static_assert((int)VALUE_BYTES >= (int)RW_IP_TEXT_BYTES, "an address fits");

/* Values can only be changed while it is disabled. */
static bool set_up(struct rw_netconsole *n, const struct attribute *attributes)
{
	bool same = is_set(n, "enabled", "1");

	for (int i = 0; i < ATTRIBUTES && same; i++)
		same = is_set(n, attributes[i].name, attributes[i].value);
	if (same)
		return true;
	if (is_set(n, "enabled", "1") && !set(n, "enabled", "0"))
		return false;
	for (int i = 0; i < ATTRIBUTES; i++) {
		if (!set(n, attributes[i].name, attributes[i].value))
			return false;
	}
	return set(n, "enabled", "1");
}

static void disarm(struct rw_netconsole *n)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s%s/%s", n->root, subsystem, target_name);
	if (access(path, F_OK) != 0)
		return;
	if ((!is_set(n, "enabled", "1") || set(n, "enabled", "0")) && rmdir(path) != 0)
		say(n, "not wanted, but armed: %s", strerror(errno));
}

static bool arm(struct rw_netconsole *n, const struct rw_netconsole_config *config)
{
	char path[PATH_BYTES], why[RW_ROUTE_WHY_BYTES];
	struct attribute attributes[ATTRIBUTES];
	struct rw_route route;

	if (!open_subsystem(n))
		return false;
	if (config->route != NULL) {
		route = *config->route;
	} else if (rw_route_find(&config->target->address, config->target->port, &route, why) !=
		   0) {
		say(n, "no way to the collector: %s", why);
		return false;
	}
	snprintf(path, sizeof(path), "%s%s/%s", n->root, subsystem, target_name);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		say(n, "netconsole takes no target: %s", strerror(errno));
		return false;
	}
	fill(config->target, &route, attributes);
	if (!set_up(n, attributes))
		return false;
	bool v6 = route.local.is_v6;
	say(n, "armed %s %s%s%s:%s towards %s%s%s:%s", route.device, v6 ? "[" : "",
	    attributes[1].value, v6 ? "]" : "", attributes[3].value, v6 ? "[" : "",
	    attributes[2].value, v6 ? "]" : "", attributes[4].value);
	return true;
}

/* ---- life ------------------------------------------------------------------------ */

static bool open_files(struct rw_netconsole *n)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/dev/kmsg", n->root);
	n->kmsg = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
	if (n->kmsg < 0) {
		say(n, "/dev/kmsg cannot be written: %s", strerror(errno));
		return false;
	}
	snprintf(path, sizeof(path), "%s/proc/sys/kernel/printk", n->root);
	n->printk = open(path, O_RDONLY | O_CLOEXEC);
	if (n->printk < 0)
		say(n, "/proc/sys/kernel/printk cannot be read: %s", strerror(errno));
	return n->printk >= 0;
}

struct rw_netconsole *rw_netconsole_arm(const struct rw_netconsole_config *config)
{
	struct rw_netconsole *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->root = config->root;
	n->kmsg = n->printk = -1;
	if (config->target == NULL) {
		say(n, "none");
		disarm(n);
		return n;
	}
	n->is_armed = open_files(n) && arm(n, config);
	return n;
}

void rw_netconsole_free(struct rw_netconsole *n)
{
	if (n == NULL)
		return;
	if (n->kmsg >= 0)
		close(n->kmsg);
	if (n->printk >= 0)
		close(n->printk);
	free(n);
}

/* ---- challenges ------------------------------------------------------------------ */

/* The level at which a line gets out, or -ENOMSG. */
static int level_that_passes(const struct rw_netconsole *n)
{
	char text[VALUE_BYTES];
	ssize_t length = pread(n->printk, text, sizeof(text) - 1, 0);
	uint64_t console;

	if (length < 0)
		return -errno;
	text[length] = '\0';
	text[strcspn(text, " \t\n")] = '\0';
	if (rw_units_parse_uint(text, &console) != 0)
		return -EBADMSG;
	if (console <= LEVEL_LOWEST)
		return -ENOMSG;
	return console > LEVEL_HIGHEST ? LEVEL_HIGHEST : (int)console - 1;
}

int rw_netconsole_challenge(struct rw_netconsole *n, const uint8_t nonce[RW_GASP_NONCE_BYTES])
{
	char line[96];
	size_t used;

	if (!n->is_armed)
		return -ENOTCONN;
	int level = level_that_passes(n);
	if (level < 0)
		return level;
	used = (size_t)snprintf(line, sizeof(line), "<%d>ringwatch: gasp ", FACILITY_USER | level);
	for (size_t i = 0; i < RW_GASP_NONCE_BYTES; i++)
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%02x", nonce[i]);
	line[used++] = '\n';
	/* one write is one record */
	ssize_t written = write(n->kmsg, line, used);
	return written < 0 ? -errno : written == (ssize_t)used ? 0 : -EIO;
}
