/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shedding rights; see privileges.h. In this order: the state directory changes
 * hands while there is still the right to do so, then user, capabilities,
 * no_new_privs, and last the list of system calls, which allows none of these.
 */
#include "sensor/privileges.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

enum { FOLDERS_DEEP = 2 }; /* the state directory and its archive */

/* ---- the state directory --------------------------------------------------------- */

/* Never follows a link, and goes no deeper than the sensor's own folders. */
static void give_away(int folder, uid_t user, gid_t group, int deep)
{
	DIR *dir = fdopendir(folder);

	if (dir == NULL) {
		close(folder);
		return;
	}
	if (fchown(folder, user, group) != 0)
		rw_warning(
			"event=privileges what=\"state directory keeps its owner\" reason=\"%s\"",
			strerror(errno));
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int inner = openat(folder, entry->d_name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner >= 0 && deep > 1)
			give_away(inner, user, group, deep - 1);
		else if (inner >= 0)
			close(inner);
		else if (fchownat(folder, entry->d_name, user, group, AT_SYMLINK_NOFOLLOW) != 0)
			rw_warning("event=privileges what=\"a state file keeps its owner\" "
				   "reason=\"%s\"",
				   strerror(errno));
	}
	closedir(dir);
}

/* ---- user and capabilities ---------------------------------------------------------- */

static void keep_capabilities(const struct rw_privileges *wanted)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (wanted->keep_syslog)
		capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYSLOG, -1);
}

/* A kernel that has not this capability refuses the whole set: then without it. */
static int apply_capabilities(const struct rw_privileges *wanted, const struct passwd *user)
{
	int err = -1;

	for (int attempt = 0; attempt < 2 && err != 0; attempt++) {
		if (attempt == 0)
			keep_capabilities(wanted);
		else
			capng_clear(CAPNG_SELECT_ALL);
		if (user != NULL)
			err = capng_change_id((int)user->pw_uid, (int)user->pw_gid,
					      CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
		else
			err = capng_apply(CAPNG_SELECT_CAPS);
	}
	return err;
}

/* From the file itself: the name services would bring a dozen libraries along,
 * and a system's user stands there. NULL: no such user. */
static const struct passwd *find_user(const char *name)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *found = NULL;

	while (file != NULL && (found = fgetpwent(file)) != NULL) {
		if (strcmp(found->pw_name, name) == 0)
			break;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static bool shed_capabilities(const struct rw_privileges *wanted)
{
	const struct passwd *user = NULL;

	if (wanted->user != NULL && geteuid() == 0) {
		user = find_user(wanted->user);
		if (user == NULL)
			rw_info("event=privileges user=%s what=\"no such user: staying root, "
				"without its capabilities\"",
				wanted->user);
	}
	if (geteuid() == 0) {
		/* also to root itself, who without capabilities is a user like any other */
		int folder = open(wanted->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (folder >= 0)
			give_away(folder, user != NULL ? user->pw_uid : 0,
				  user != NULL ? user->pw_gid : 0, FOLDERS_DEEP);
	}
	int err = apply_capabilities(wanted, user);
	if (err != 0)
		rw_warning("event=privileges what=\"user and capabilities could not be shed\" "
			   "code=%d",
			   err);
	return err == 0;
}

/* ---- system calls ------------------------------------------------------------------------ */

static const int allowed[] = {
	/* files: spool, state, kernel log, counters, certificates */
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(readv),
	SCMP_SYS(preadv),
	SCMP_SYS(write),
	SCMP_SYS(pwrite64),
	SCMP_SYS(writev),
	SCMP_SYS(pwritev),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	SCMP_SYS(statfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(flock),
	SCMP_SYS(fcntl),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(umask),
	SCMP_SYS(fchmod),
	SCMP_SYS(pipe2),
	/* waiting */
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(signalfd4),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(restart_syscall),
	/* the collector, names, the service manager */
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	/* memory and threads */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(tgkill),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrandom),
#ifdef RW_SANITIZED
	/* what the sanitizers do when the program ends */
	SCMP_SYS(getdents),
	SCMP_SYS(prctl),
	SCMP_SYS(ptrace),
	SCMP_SYS(wait4),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(personality),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(getppid),
	SCMP_SYS(membarrier),
	SCMP_SYS(kill),
	SCMP_SYS(getrusage),
	SCMP_SYS(setrlimit),
	SCMP_SYS(getrlimit),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
#endif
};

/* A call that is allowed with just this value as its first or second argument. */
static const struct {
	int call;
	unsigned int argument;
	uint64_t value;
} allowed_with[] = {
	{SCMP_SYS(socket), 0, AF_UNIX},
	{SCMP_SYS(socket), 0, AF_INET},
	{SCMP_SYS(socket), 0, AF_INET6},
	{SCMP_SYS(socket), 0, AF_NETLINK}, /* getaddrinfo asks which addresses there are */
	{SCMP_SYS(ioctl), 1, FIONREAD},
	{SCMP_SYS(ioctl), 1, TCGETS},
	{SCMP_SYS(bpf), 0, BPF_MAP_LOOKUP_ELEM},
	{SCMP_SYS(bpf), 0, BPF_OBJ_GET_INFO_BY_FD},
};

static int add_rules(scmp_filter_ctx filter)
{
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int err = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && err == 0; i++) {
		/* a negative number: this architecture has no such call */
		if (allowed[i] >= 0)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	}
	for (size_t i = 0; i < sizeof(allowed_with) / sizeof(allowed_with[0]) && err == 0; i++)
		err = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, allowed_with[i].call, 1,
			SCMP_CMP(allowed_with[i].argument, SCMP_CMP_EQ, allowed_with[i].value));
	/* threads, but no namespaces */
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_CMP(0, SCMP_CMP_MASKED_EQ, namespaces, 0));
	if (err == 0)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0);
	return err;
}

/*
 * The flags of clone3 cannot be seen, so it is made not to exist, and the C library
 * goes on with clone. In a filter of its own, because that happens each time a
 * thread starts and is no trespass: the other filter logs.
 */
static int hide_clone3(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err = filter == NULL
			  ? -ENOMEM
			  : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (err == 0)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

static int allow_only_what_is_needed(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter == NULL ? -ENOMEM : add_rules(filter);

	if (err == 0) {
		/* a refused call leaves a trace in the audit log, where there is one */
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
		err = seccomp_load(filter);
	}
	seccomp_release(filter);
	return err;
}

static bool limit_calls(void)
{
	int err = hide_clone3();

	if (err == 0)
		err = allow_only_what_is_needed();
	if (err != 0)
		rw_warning("event=privileges what=\"system calls are not limited\" reason=\"%s\"",
			   strerror(-err));
	return err == 0;
}

/* ---- all of it --------------------------------------------------------------------------- */

void rw_privileges_shed(const struct rw_privileges *wanted, char what[RW_PRIVILEGES_TEXT_BYTES])
{
	bool shed = shed_capabilities(wanted);
	bool no_new = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;

	if (!no_new)
		rw_warning("event=privileges what=no_new_privs reason=\"%s\"", strerror(errno));
	/* a change of user makes /proc/self root's and forbids cores: as it should be */
	bool limited = limit_calls();
	const char *capabilities = !shed ? "as_started" : wanted->keep_syslog ? "syslog" : "none";
	snprintf(what, RW_PRIVILEGES_TEXT_BYTES,
		 "uid=%u capabilities=%s no_new_privs=%s seccomp=%s", (unsigned int)geteuid(),
		 capabilities, no_new ? "yes" : "no", limited ? "yes" : "no");
}
