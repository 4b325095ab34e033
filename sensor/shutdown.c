/* SPDX-License-Identifier: Apache-2.0 */
/* Asking systemd; see shutdown.h. 0.7 seconds a question, then the child is killed. */
#include "sensor/shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

enum { ANSWER_BYTES = 4096, ANSWER_MS = 700 };

extern char **environ;

/* What comes until end of file or the deadline. */
static void read_answer(int fd, char answer[ANSWER_BYTES])
{
	uint64_t deadline_ms = rw_clock_boot_ms() + ANSWER_MS;
	size_t used = 0;

	while (used + 1 < ANSWER_BYTES) {
		uint64_t now_ms = rw_clock_boot_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (now_ms >= deadline_ms)
			break;
		int ready = poll(&p, 1, (int)(deadline_ms - now_ms));
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			break;
		ssize_t n = read(fd, answer + used, ANSWER_BYTES - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	answer[used] = '\0';
}

static void ask(char *const argv[], char answer[ANSWER_BYTES])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int fds[2];
	pid_t child;

	answer[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) != 0)
		return;
	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawnattr_init(&attr) != 0) {
		close(fds[0]);
		close(fds[1]);
		return;
	}
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	int err = posix_spawnp(&child, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(fds[1]);
	if (err == 0) {
		read_answer(fds[0], answer);
		kill(child, SIGKILL); /* most often it has ended by itself */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
}

enum rw_boot_armed rw_shutdown_from_jobs(const char *jobs)
{
	if (strstr(jobs, "soft-reboot.target") != NULL)
		return RW_ARMED_STOPPED;
	if (strstr(jobs, "kexec.target") != NULL)
		return RW_ARMED_KEXEC;
	if (strstr(jobs, "poweroff.target") != NULL || strstr(jobs, "halt.target") != NULL)
		return RW_ARMED_POWER_OFF;
	return RW_ARMED_REBOOT;
}

enum rw_boot_armed rw_shutdown_ask_systemd(void)
{
	char *const state[] = {(char *)"systemctl", (char *)"is-system-running", NULL};
	char *const jobs[] = {(char *)"systemctl", (char *)"list-jobs", (char *)"--no-legend",
			      (char *)"--no-pager", NULL};
	char answer[ANSWER_BYTES];

	if (access("/run/systemd/system", F_OK) != 0)
		return RW_ARMED_STOPPED;
	ask(state, answer);
	if (strcmp(answer, "stopping\n") != 0)
		return RW_ARMED_STOPPED;
	ask(jobs, answer);
	return rw_shutdown_from_jobs(answer);
}
