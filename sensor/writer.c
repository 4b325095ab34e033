/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread at the disk; see writer.h. Loop and thread share an allocation with
 * a count of two: the last one out frees it, so a thread that was left behind
 * finds all it needs when the disk answers after all.
 */
#include "sensor/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "sensor/evict.h"
#include "sensor/pack.h"

#ifdef RW_SANITIZED
enum { STACK_BYTES = 512 * 1024 };
#else
enum { STACK_BYTES = 64 * 1024 };
#endif

struct jobs {
	struct rw_writer_job *first;
	struct rw_writer_job *last;
};

struct shared {
	atomic_int users;
	int event_fd;
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t ended;
	/* under the lock */
	struct jobs waiting;
	struct jobs done;
	struct rw_writer_job *doing;
	bool stop;
	bool has_ended;
	/* the thread's own */
	struct rw_writer_place place;
	bool refuse; /* appends */
};

struct rw_writer {
	struct shared *shared;
	pthread_t thread;
};

/* ---- packed events ------------------------------------------------------------------ */

struct rw_packed *rw_packed_new(uint64_t sequence, const uint8_t *bytes, size_t length)
{
	struct rw_packed *p = malloc(sizeof(*p) + length);

	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->sequence = sequence;
	p->log_sequence = UINT64_MAX;
	p->length = (uint32_t)length;
	memcpy(p->bytes, bytes, length);
	atomic_init(&p->users, 1);
	return p;
}

static struct rw_packed *hold(struct rw_packed *p)
{
	atomic_fetch_add(&p->users, 1);
	return p;
}

void rw_packed_release(struct rw_packed *p)
{
	if (p != NULL && atomic_fetch_sub(&p->users, 1) == 1)
		free(p);
}

size_t rw_packed_bytes(const struct rw_packed *p)
{
	return sizeof(*p) + p->length;
}

void rw_packed_push(struct rw_packed_list *list, struct rw_packed *p)
{
	p->next = NULL;
	if (list->last == NULL)
		list->first = p;
	else
		list->last->next = p;
	list->last = p;
	list->count++;
	list->bytes += rw_packed_bytes(p);
}

struct rw_packed *rw_packed_pop(struct rw_packed_list *list)
{
	struct rw_packed *p = list->first;

	if (p == NULL)
		return NULL;
	list->first = p->next;
	if (list->first == NULL)
		list->last = NULL;
	list->count--;
	list->bytes -= rw_packed_bytes(p);
	return p;
}

void rw_packed_clear(struct rw_packed_list *list)
{
	while (list->first != NULL)
		rw_packed_release(rw_packed_pop(list));
}

/* ---- the place ------------------------------------------------------------------------ */

/* A disk that became read-only still has the lock of an earlier start. */
static int lock_folder(struct rw_writer_place *p)
{
	size_t size = strlen(p->folder) + sizeof("/lock");
	rw_autofree char *path = malloc(size);

	if (path == NULL)
		return -ENOMEM;
	snprintf(path, size, "%s/lock", p->folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EROFS)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	p->lock_fd = fd;
	return 0;
}

static int complain(const struct rw_writer_place *p, int err, char notice[RW_SPOOL_ERROR_BYTES])
{
	if (err == -EWOULDBLOCK)
		snprintf(notice, RW_SPOOL_ERROR_BYTES, "%.200s: another sensor is running on it",
			 p->folder);
	else
		snprintf(notice, RW_SPOOL_ERROR_BYTES, "%.200s: state directory: %s", p->folder,
			 strerror(-err));
	return err;
}

int rw_writer_open(struct rw_writer_place *p, bool *set_aside, char notice[RW_SPOOL_ERROR_BYTES])
{
	int err = 0;

	notice[0] = '\0';
	*set_aside = false;
	if (p->lock_fd < 0) {
		err = rw_file_make_folder(p->folder, 0700);
		if (err == 0)
			err = lock_folder(p);
	}
	if (err != 0)
		return complain(p, err, notice);
	if (p->spool != NULL)
		return 0;
	err = rw_spool_open_on(p->disk, p->folder, p->max_bytes, &p->spool, set_aside, notice);
	if (err == 0)
		rw_spool_set_max_age(p->spool, p->max_age_ms);
	return err;
}

void rw_writer_close(struct rw_writer_place *p)
{
	rw_spool_close(p->spool);
	p->spool = NULL;
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	p->lock_fd = -1;
	free(p->folder);
	p->folder = NULL;
}

struct rw_writer_facts rw_writer_facts(const struct rw_spool *spool)
{
	struct rw_writer_facts f = {.expires_ms = UINT64_MAX};

	if (spool == NULL)
		return f;
	f.open = true;
	memcpy(f.id, rw_spool_id(spool), sizeof(f.id));
	f.last_sequence = rw_spool_last_sequence(spool);
	f.acked = rw_spool_acked(spool);
	f.bytes = rw_spool_bytes(spool);
	f.evicted = rw_spool_evicted(spool);
	f.unreported = rw_spool_unreported(spool);
	f.expires_ms = rw_spool_expires_ms(spool);
	f.pending = rw_spool_pending(spool);
	return f;
}

/* ---- jobs ------------------------------------------------------------------------------ */

struct rw_writer_job *rw_writer_job_new(enum rw_writer_task task, uint64_t now_ms)
{
	struct rw_writer_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->task = task;
	job->now_ms = now_ms;
	return job;
}

void rw_writer_job_free(struct rw_writer_job *job)
{
	if (job == NULL)
		return;
	rw_packed_release(job->packed);
	rw_packed_clear(&job->read);
	free(job->notice);
	free(job);
}

static void push(struct jobs *jobs, struct rw_writer_job *job)
{
	job->next = NULL;
	if (jobs->last == NULL)
		jobs->first = job;
	else
		jobs->last->next = job;
	jobs->last = job;
}

static struct rw_writer_job *pop(struct jobs *jobs)
{
	struct rw_writer_job *job = jobs->first;

	if (job == NULL)
		return NULL;
	jobs->first = job->next;
	if (jobs->first == NULL)
		jobs->last = NULL;
	job->next = NULL;
	return job;
}

struct unpacked {
	struct rw_event event;
	struct rw_log_excerpt log;
};

static int append(struct shared *s, struct rw_writer_job *job)
{
	if (s->refuse || s->place.spool == NULL)
		return -ECANCELED;
	rw_autofree struct unpacked *u = malloc(sizeof(*u));
	if (u == NULL)
		return -ENOMEM;
	int err = rw_event_unpack(job->packed->bytes, job->packed->length, &u->event, &u->log);
	if (err != 0)
		return err;
	u->event.sequence = job->sequence;
	u->event.about = job->about;
	return rw_spool_append_as(s->place.spool, &u->event, job->packed->log_sequence);
}

static int expire(struct shared *s, const struct rw_writer_job *job)
{
	rw_autofree struct rw_event *like = calloc(1, sizeof(*like));

	if (like == NULL)
		return -ENOMEM;
	memcpy(like->boot_id, job->state.boot_id, sizeof(like->boot_id));
	like->boot_order = job->state.boot_order;
	like->boot_ms = job->now_ms;
	like->wall_ms = job->wall_ms;
	return rw_spool_expire(s->place.spool, like, job->sequence);
}

static int take_read(void *context, uint64_t sequence, const uint8_t *packed, size_t length)
{
	struct rw_writer_job *job = context;

	if (job->read.count > 0 && job->read.bytes + length > RW_WRITER_READ_BYTES)
		return 1;
	struct rw_packed *p = rw_packed_new(sequence, packed, length);
	if (p == NULL)
		return -ENOMEM;
	rw_packed_push(&job->read, p);
	return 0;
}

static int read_events(struct shared *s, struct rw_writer_job *job)
{
	int err = rw_spool_walk(s->place.spool, job->sequence, take_read, job);

	job->read_all = err == 0;
	return err < 0 ? err : 0;
}

static int try_disk(struct shared *s, struct rw_writer_job *job)
{
	rw_autofree char *notice = malloc(RW_SPOOL_ERROR_BYTES);

	if (notice == NULL)
		return -ENOMEM;
	int err = rw_writer_open(&s->place, &job->set_aside, notice);
	if (notice[0] != '\0')
		job->notice = strdup(notice);
	if (err == 0)
		err = rw_spool_try(s->place.spool);
	if (err == 0)
		s->refuse = false;
	return err;
}

static int do_job(struct shared *s, struct rw_writer_job *job)
{
	struct rw_spool *spool = s->place.spool;
	int err;

	if (spool != NULL)
		rw_spool_set_now(spool, job->now_ms);
	if (job->task == RW_WRITER_TRY)
		return try_disk(s, job);
	if (job->task == RW_WRITER_STATE)
		return rw_boot_save(s->place.folder, &job->state);
	if (spool == NULL)
		return -ECANCELED;
	switch (job->task) {
	case RW_WRITER_APPEND:
		err = append(s, job);
		if (err != 0 && err != -ENOBUFS)
			s->refuse = true;
		return err;
	case RW_WRITER_ACK:
		return rw_spool_ack(spool, job->sequence);
	case RW_WRITER_RENEW:
		return rw_spool_renew(spool);
	case RW_WRITER_EXPIRE:
		return expire(s, job);
	case RW_WRITER_READ:
		return read_events(s, job);
	case RW_WRITER_STATE:
	case RW_WRITER_TRY:
		break;
	}
	return -EINVAL;
}

/* ---- the thread --------------------------------------------------------------------------- */

static void leave(struct shared *s)
{
	if (atomic_fetch_sub(&s->users, 1) != 1)
		return;
	struct rw_writer_job *job;
	while ((job = pop(&s->waiting)) != NULL)
		rw_writer_job_free(job);
	while ((job = pop(&s->done)) != NULL)
		rw_writer_job_free(job);
	rw_writer_close(&s->place);
	close(s->event_fd);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* With the lock held, which is given back while it works. */
static void do_next(struct shared *s)
{
	const uint64_t one = 1;
	struct rw_writer_job *job = pop(&s->waiting);

	s->doing = job;
	pthread_mutex_unlock(&s->lock);
	job->error = do_job(s, job);
	pthread_mutex_lock(&s->lock);
	if (job->abandoned && job->task == RW_WRITER_APPEND && job->error == 0) {
		/* it came too late: it is told from memory */
		pthread_mutex_unlock(&s->lock);
		job->taken_back = rw_spool_take_back(s->place.spool, job->sequence) == 0;
		s->refuse = true;
		pthread_mutex_lock(&s->lock);
	}
	job->facts = rw_writer_facts(s->place.spool);
	s->doing = NULL;
	push(&s->done, job);
	/* it cannot fail but for a counter that is full, and then it is readable */
	ssize_t n = write(s->event_fd, &one, sizeof(one));
	(void)n;
}

static void *run(void *context)
{
	struct shared *s = context;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		if (s->waiting.first != NULL)
			do_next(s);
		else if (s->stop)
			break;
		else
			pthread_cond_wait(&s->work, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	/* what was appended is durable already; this gives the lock back */
	rw_writer_close(&s->place);
	pthread_mutex_lock(&s->lock);
	s->has_ended = true;
	pthread_cond_signal(&s->ended);
	pthread_mutex_unlock(&s->lock);
	leave(s);
	return NULL;
}

/* No signal is this thread's business. */
static int start_thread(struct shared *s, pthread_t *thread)
{
	pthread_attr_t attr;
	sigset_t all;
	sigset_t old;
	int err = pthread_attr_init(&attr);

	if (err != 0)
		return -err;
	sigfillset(&all);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, &attr, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static int init_shared(struct shared *s)
{
	pthread_condattr_t attr;

	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0)
		return -errno;
	int err = pthread_condattr_init(&attr);
	if (err == 0)
		err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (err == 0)
		err = pthread_mutex_init(&s->lock, NULL);
	if (err == 0)
		err = pthread_cond_init(&s->work, NULL);
	if (err == 0)
		err = pthread_cond_init(&s->ended, &attr);
	pthread_condattr_destroy(&attr);
	return -err;
}

int rw_writer_start(const struct rw_writer_place *place, struct rw_writer **out)
{
	struct rw_writer *w = calloc(1, sizeof(*w));
	struct shared *s = calloc(1, sizeof(*s));
	int err = w == NULL || s == NULL ? -ENOMEM : 0;

	if (err == 0) {
		s->event_fd = -1;
		err = init_shared(s);
	}
	if (err == 0) {
		atomic_init(&s->users, 2);
		s->place = *place;
		w->shared = s;
		err = start_thread(s, &w->thread);
	}
	if (err != 0) {
		if (s != NULL && s->event_fd >= 0)
			close(s->event_fd);
		free(s);
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

/* ---- the loop's side ------------------------------------------------------------------------ */

int rw_writer_descriptor(const struct rw_writer *w)
{
	return w->shared->event_fd;
}

void rw_writer_hand(struct rw_writer *w, struct rw_writer_job *job)
{
	struct shared *s = w->shared;

	if (job->packed != NULL)
		hold(job->packed);
	pthread_mutex_lock(&s->lock);
	push(&s->waiting, job);
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

struct rw_writer_job *rw_writer_take(struct rw_writer *w)
{
	struct shared *s = w->shared;
	uint64_t count;

	pthread_mutex_lock(&s->lock);
	struct rw_writer_job *job = pop(&s->done);
	if (s->done.first == NULL) {
		ssize_t n = read(s->event_fd, &count, sizeof(count));
		(void)n; /* -EAGAIN: nothing has come since */
	}
	pthread_mutex_unlock(&s->lock);
	return job;
}

uint32_t rw_writer_drop(struct rw_writer *w, enum rw_writer_task task, bool keep_next)
{
	struct shared *s = w->shared;
	struct jobs kept = {NULL, NULL};
	struct jobs dropped = {NULL, NULL};
	struct rw_writer_job *job;
	uint32_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (bool next = true; (job = pop(&s->waiting)) != NULL; next = false)
		push(job->task == task && !(next && keep_next) ? &dropped : &kept, job);
	s->waiting = kept;
	pthread_mutex_unlock(&s->lock);
	for (; (job = pop(&dropped)) != NULL; count++)
		rw_writer_job_free(job);
	return count;
}

void rw_writer_abandon(struct rw_writer *w)
{
	struct shared *s = w->shared;

	pthread_mutex_lock(&s->lock);
	if (s->doing != NULL)
		s->doing->abandoned = true;
	pthread_mutex_unlock(&s->lock);
}

bool rw_writer_stop(struct rw_writer *w, uint64_t wait_ms)
{
	struct shared *s = w->shared;
	struct timespec until = rw_clock_monotonic_in(wait_ms);
	int err = 0;

	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->work);
	while (!s->has_ended && err == 0)
		err = pthread_cond_timedwait(&s->ended, &s->lock, &until);
	bool ended = s->has_ended;
	pthread_mutex_unlock(&s->lock);
	if (ended)
		pthread_join(w->thread, NULL);
	else
		pthread_detach(w->thread);
	leave(s);
	free(w);
	return ended;
}
