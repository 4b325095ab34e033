/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* The alternate screen, and no cursor; each with what undoes it. */
static const char enter_bytes[] = "\033[?1049h\033[?25l\033[2J";
static const char leave_bytes[] = "\033[0m\033[?25h\033[?1049l";

enum { KEY_BYTES = 16, REST_OF_KEY_MS = 50 };

static struct {
	volatile sig_atomic_t entered;
	bool has_keys;
	bool keys_ended;
	struct termios before;
	char typed[KEY_BYTES];
	size_t typed_used;
} screen;

static void write_all(const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, length);
		if (n <= 0)
			return; /* nobody is there to be told */
		bytes += n;
		length -= (size_t)n;
	}
}

/* Both are called by handlers of signals: only what is safe there. */
static void take_over(void)
{
	struct termios keys = screen.before;

	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 0;
	keys.c_cc[VTIME] = 0;
	if (screen.has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	write_all(enter_bytes, sizeof(enter_bytes) - 1);
	screen.entered = 1;
}

static void give_back(void)
{
	screen.entered = 0;
	write_all(leave_bytes, sizeof(leave_bytes) - 1);
	if (screen.has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

static void on_end(int number)
{
	if (screen.entered)
		give_back();
	/* SA_RESETHAND: now it ends the program as it would have. */
	raise(number);
}

static void on_stop(int number)
{
	int before = errno;

	(void)number;
	if (screen.entered)
		give_back();
	raise(SIGSTOP);
	/* Continued. */
	take_over();
	errno = before;
}

static void on_resize(int number)
{
	(void)number; /* it ends the wait for a key */
}

/* Only where nobody else watches: a sanitizer has handlers of its own. */
static void watch_end(int number)
{
	struct sigaction old;
	struct sigaction action = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		sigaction(number, &action, NULL);
}

static void watch_signals(void)
{
	static const int ends[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV,
				   SIGBUS,  SIGFPE,  SIGILL, SIGPIPE, SIGALRM, SIGUSR1,
				   SIGUSR2, SIGXCPU, SIGSYS, SIGTRAP};
	struct sigaction stop = {.sa_handler = on_stop};
	struct sigaction resize = {.sa_handler = on_resize};
	sigset_t mask;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		watch_end(ends[i]);
	sigemptyset(&stop.sa_mask);
	sigaction(SIGTSTP, &stop, NULL);
	sigemptyset(&resize.sa_mask);
	sigaction(SIGWINCH, &resize, NULL);
	/* Let through only while waiting, so that none is missed before. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGWINCH);
	sigprocmask(SIG_BLOCK, &mask, NULL);
}

void rw_screen_enter(void)
{
	if (screen.entered)
		return;
	screen.has_keys = tcgetattr(STDIN_FILENO, &screen.before) == 0;
	watch_signals();
	atexit(rw_screen_leave);
	take_over();
}

void rw_screen_leave(void)
{
	if (screen.entered)
		give_back();
}

void rw_screen_size(size_t *width, size_t *height)
{
	struct winsize size;
	bool told =
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

	*width = told ? size.ws_col : 80;
	*height = told ? size.ws_row : 24;
}

/* ---- drawing --------------------------------------------------------------- */

int rw_screen_draw(const struct rw_lines *lines)
{
	rw_autofree char *frame = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&frame, &length);

	if (to == NULL)
		return -errno;
	/* Over what is there, line by line: a screen that is cleared first would flicker. */
	fputs("\033[H", to);
	for (size_t i = 0; i < lines->count; i++)
		fprintf(to, "%s%s\033[K", i == 0 ? "" : "\r\n", rw_lines_text(lines, i));
	fputs("\033[J", to);
	if (fclose(to) != 0)
		return -ENOMEM;
	for (size_t done = 0; done < length;) {
		ssize_t n = write(STDOUT_FILENO, frame + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* ---- keys ------------------------------------------------------------------ */

enum rw_key rw_screen_key(const char *bytes, size_t length, size_t *used)
{
	static const struct {
		const char *bytes;
		enum rw_key key;
	} keys[] = {
		{"\033[A", RW_KEY_UP},   {"\033OA", RW_KEY_UP},   {"k", RW_KEY_UP},
		{"\033[B", RW_KEY_DOWN}, {"\033OB", RW_KEY_DOWN}, {"j", RW_KEY_DOWN},
		{"q", RW_KEY_QUIT},      {"Q", RW_KEY_QUIT},      {"\003", RW_KEY_QUIT},
		{"r", RW_KEY_REFRESH},   {"R", RW_KEY_REFRESH},   {"\014", RW_KEY_REFRESH},
		{"\r", RW_KEY_ENTER},    {"\n", RW_KEY_ENTER},    {"?", RW_KEY_HELP},
		{"h", RW_KEY_HELP},      {"\177", RW_KEY_BACK},   {"\b", RW_KEY_BACK},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t n = strlen(keys[i].bytes);
		if (length >= n && memcmp(bytes, keys[i].bytes, n) == 0) {
			*used = n;
			return keys[i].key;
		}
	}
	*used = 1;
	if (bytes[0] != '\033')
		return RW_KEY_OTHER;
	if (length == 1 || (length == 2 && (bytes[1] == '[' || bytes[1] == 'O'))) {
		*used = 0;
		return RW_KEY_NONE;
	}
	if (bytes[1] != '[' && bytes[1] != 'O')
		return RW_KEY_BACK;
	/* Some other key's sequence, to its last byte. */
	for (size_t i = 2; i < length; i++)
		if (bytes[i] >= 0x40 && bytes[i] <= 0x7e) {
			*used = i + 1;
			return RW_KEY_OTHER;
		}
	*used = length < KEY_BYTES ? 0 : length; /* too long for a key */
	return RW_KEY_NONE;
}

static void read_typed(void)
{
	ssize_t n =
		read(STDIN_FILENO, screen.typed + screen.typed_used, KEY_BYTES - screen.typed_used);

	/* After poll() said that there is something, nothing means the end. */
	if (n > 0)
		screen.typed_used += (size_t)n;
	else if (n == 0 || errno != EINTR)
		screen.keys_ended = true;
}

/* The first key of what was typed. `whole`: no more will come of it. */
static enum rw_key take_typed(bool whole)
{
	size_t used;

	if (screen.typed_used == 0)
		return RW_KEY_NONE;
	enum rw_key key = rw_screen_key(screen.typed, screen.typed_used, &used);
	if (used == 0 && whole) {
		key = screen.typed_used == 1 ? RW_KEY_BACK : RW_KEY_OTHER;
		used = screen.typed_used;
	}
	screen.typed_used -= used;
	memmove(screen.typed, screen.typed + used, screen.typed_used);
	return key;
}

/* Whether there is something to read. */
static bool poll_keys(uint64_t timeout_ms)
{
	bool listens = screen.has_keys && !screen.keys_ended;
	struct pollfd stdin_poll = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ms / 1000),
				   .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
	sigset_t open;

	sigprocmask(SIG_SETMASK, NULL, &open);
	sigdelset(&open, SIGWINCH);
	return ppoll(&stdin_poll, listens ? 1 : 0, &timeout, &open) > 0;
}

enum rw_key rw_screen_wait(uint64_t timeout_ms)
{
	enum rw_key key = take_typed(false);

	if (key != RW_KEY_NONE)
		return key;
	if (poll_keys(timeout_ms))
		read_typed();
	key = take_typed(false);
	if (key == RW_KEY_NONE && screen.typed_used > 0) {
		if (poll_keys(REST_OF_KEY_MS))
			read_typed();
		key = take_typed(true);
	}
	return key;
}
