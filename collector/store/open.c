/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the database file, and setting a damaged one aside.
 *
 * A damaged file, a file of another program or of another schema is refused
 * and left as it is, its WAL too: what a collector has acknowledged is never
 * thrown away by starting it.
 *
 * Looking for damage takes as long as reading the file, so a large one is
 * looked through only when there is a reason. The lock file beside it carries a
 * mark: which file it was, and that it was closed in order, or else by which
 * boot of this machine it is open. A process that is killed tears nothing that
 * it wrote; a machine that goes down, or another file in its place, is a reason.
 * What the judgement rests on is read and checked at each start all the same.
 */
#include "collector/store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "proto/bootid.h"

enum {
	APPLICATION_ID = 0x72777374, /* "rwst", in the file's header */
	SCHEMA_FIRST = 2,            /* from which on rw_journal_migrate() reads */
	MARK_BYTES = 128,
	BOOT_NAME_BYTES = 33,
	CLOSE_BUSY_MS = 100, /* what a reader may hold up the last checkpoint for */
};

static const char schema[] =
#include "store_schema.h"
#include "store_views.h"
	;

static int fail(char error[RW_STORE_ERROR_BYTES], int err, const char *path, const char *what)
{
	snprintf(error, RW_STORE_ERROR_BYTES, "%s: %s", path, what);
	return err;
}

/* ---- lock and mark ---------------------------------------------------------- */

static int take_lock(struct rw_journal *journal, const char *path, char error[RW_STORE_ERROR_BYTES])
{
	rw_autofree char *lock_path = NULL;

	if (asprintf(&lock_path, "%s.lock", path) < 0) {
		lock_path = NULL;
		return fail(error, -ENOMEM, path, "out of memory");
	}
	journal->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->lock_fd < 0)
		return fail(error, -errno, lock_path, strerror(errno));
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return fail(error, -EBUSY, path, "another collector has this store open");
		return fail(error, -errno, lock_path, strerror(errno));
	}

	/* Made here, so that it and its WAL are readable by nobody else, and so
	 * that a wrong path or missing rights are named by the system's words. */
	rw_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(error, -errno, path, strerror(errno));
	return 0;
}

/*
 * This boot of the machine, as 32 hex digits; false: not known. The environment comes
 * first: where /proc shows processes alone, the unit file tells it.
 */
static bool name_boot(char out[BOOT_NAME_BYTES])
{
	char line[RW_BOOT_ID_LENGTH + 1] = "";
	const char *text = getenv("RINGWATCH_BOOT_ID");
	size_t length = 0;

	if (text == NULL) {
		rw_autofclose FILE *source = fopen("/proc/sys/kernel/random/boot_id", "re");
		if (source == NULL || fgets(line, sizeof(line), source) == NULL)
			return false;
		text = line;
	}
	for (; *text != '\0'; text++) {
		if (*text == '-')
			continue;
		if (strchr("0123456789abcdef", *text) == NULL || length == BOOT_NAME_BYTES - 1)
			return false;
		out[length++] = *text;
	}
	out[length] = '\0';
	return length == BOOT_NAME_BYTES - 1;
}

static void open_mark(const struct stat *file, char out[MARK_BYTES])
{
	char boot[BOOT_NAME_BYTES];

	out[0] = '\0';
	if (name_boot(boot))
		snprintf(out, MARK_BYTES, "inode %llu open in boot %s\n",
			 (unsigned long long)file->st_ino, boot);
}

static void closed_mark(const struct stat *file, char out[MARK_BYTES])
{
	snprintf(out, MARK_BYTES, "inode %llu closed at %lld.%09ld\n",
		 (unsigned long long)file->st_ino, (long long)file->st_mtim.tv_sec,
		 file->st_mtim.tv_nsec);
}

/* Whether nothing can have torn the file since a collector had it last. */
static bool is_marked_good(struct rw_journal *journal, const struct stat *file)
{
	char mark[MARK_BYTES] = "", closed[MARK_BYTES], opened[MARK_BYTES];
	ssize_t length = pread(journal->lock_fd, mark, sizeof(mark) - 1, 0);

	if (length <= 0)
		return false;
	closed_mark(file, closed);
	open_mark(file, opened);
	return strcmp(mark, closed) == 0 || strcmp(mark, opened) == 0;
}

/* Without a mark the file is looked through next time: so a failure is only slow. */
static void set_mark(struct rw_journal *journal, void (*make)(const struct stat *, char *))
{
	char mark[MARK_BYTES];
	struct stat file;

	if (ftruncate(journal->lock_fd, 0) != 0 || stat(journal->path, &file) != 0)
		return;
	make(&file, mark);
	size_t length = strlen(mark);
	if (pwrite(journal->lock_fd, mark, length, 0) != (ssize_t)length ||
	    fsync(journal->lock_fd) != 0)
		(void)!ftruncate(journal->lock_fd, 0);
}

void rw_journal_suspect(struct rw_journal *journal)
{
	journal->is_ready = false;
	if (ftruncate(journal->lock_fd, 0) != 0)
		rw_warning("event=store_mark path=%s detail=\"%s\"", journal->path,
			   strerror(errno));
}

/* ---- what file it is --------------------------------------------------------- */

static int open_failed(struct rw_journal *journal, const char *path, const char *doing,
		       char error[RW_STORE_ERROR_BYTES])
{
	int code = sqlite3_extended_errcode(journal->db);
	int err = rw_journal_errno(code);

	if (err == -EUCLEAN)
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: the store is damaged (%s)", path,
			 sqlite3_errmsg(journal->db));
	else
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: cannot %s: %s", path, doing,
			 rw_journal_error(journal));
	return err == 0 ? -EIO : err;
}

/* The first column of the first row; 0 when there is none. */
static int ask_number(struct rw_journal *journal, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL);

	if (code != SQLITE_OK)
		return rw_journal_errno(code);
	code = sqlite3_step(statement);
	*out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return rw_journal_errno(code);
}

static int quick_check(struct rw_journal *journal, const char *path,
		       char error[RW_STORE_ERROR_BYTES])
{
	sqlite3_stmt *statement;
	int err = 0;

	if (sqlite3_prepare_v2(journal->db, "PRAGMA quick_check(1)", -1, &statement, NULL) !=
	    SQLITE_OK)
		return open_failed(journal, path, "check it", error);
	int code = sqlite3_step(statement);
	const char *said =
		code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
	if (said == NULL || strcmp(said, "ok") != 0) {
		snprintf(error, RW_STORE_ERROR_BYTES, "%s: the store is damaged (%.100s)", path,
			 code == SQLITE_ROW && said != NULL ? said : sqlite3_errmsg(journal->db));
		for (char *c = error; *c != '\0'; c++) {
			if (*c == '\n')
				*c = ' ';
		}
		err = -EUCLEAN;
	}
	sqlite3_finalize(statement);
	return err;
}

static int make_schema(struct rw_journal *journal, const char *path,
		       char error[RW_STORE_ERROR_BYTES])
{
	char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d;"
				    " PRAGMA user_version=%d; COMMIT",
				    schema, (int)APPLICATION_ID, (int)RW_STORE_SCHEMA);

	if (sql == NULL)
		return fail(error, -ENOMEM, path, "out of memory");
	int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return code == SQLITE_OK ? 0 : open_failed(journal, path, "make its tables", error);
}

static bool needs_check(struct rw_journal *journal)
{
	struct stat file;

	if (stat(journal->path, &file) != 0 || file.st_size <= RW_STORE_ALWAYS_CHECKED_BYTES)
		return true;
	if (is_marked_good(journal, &file))
		return false;
	rw_info("event=store_check path=%s bytes=%lld note=\"it may have been torn: all of it is "
		"looked through\"",
		journal->path, (long long)file.st_size);
	return true;
}

/* Whose file it is, looked at before anything in it is touched; `version` 0: it is new. */
static int check_schema(struct rw_journal *journal, const char *path, bool thoroughly,
			char error[RW_STORE_ERROR_BYTES], int64_t *version)
{
	int64_t tables = 0, application = 0;

	if (ask_number(journal, "SELECT count(*) FROM sqlite_schema", &tables) != 0 ||
	    ask_number(journal, "PRAGMA application_id", &application) != 0 ||
	    ask_number(journal, "PRAGMA user_version", version) != 0)
		return open_failed(journal, path, "read it", error);
	if (tables == 0 && application == 0 && *version == 0)
		return 0;
	if (application != APPLICATION_ID)
		return fail(error, -EPROTO, path, "is a database of another program");
	if (*version > RW_STORE_SCHEMA || *version < SCHEMA_FIRST) {
		snprintf(error, RW_STORE_ERROR_BYTES,
			 "%s: holds store schema %lld, this collector needs %d to %d%s", path,
			 (long long)*version, (int)SCHEMA_FIRST, (int)RW_STORE_SCHEMA,
			 *version == 1 ? "; no release has written 1, so nothing reads it on: move "
					 "the file away to begin a new one"
				       : "");
		return -EPROTO;
	}
	return thoroughly || needs_check(journal) ? quick_check(journal, path, error) : 0;
}

static int bring_up(struct rw_journal *journal, const char *path, int64_t version,
		    char error[RW_STORE_ERROR_BYTES])
{
	if (version == 0)
		return make_schema(journal, path, error);
	if (version == RW_STORE_SCHEMA)
		return 0;
	if (rw_journal_migrate(journal, version) != SQLITE_OK) {
		char what[64];

		snprintf(what, sizeof(what), "migrate it from schema %d to %d", (int)version,
			 (int)RW_STORE_SCHEMA);
		return open_failed(journal, path, what, error);
	}
	rw_info("event=store_migrated path=%s from=%d to=%d "
		"detail=\"store: migrated from schema %d to %d\"",
		path, (int)version, (int)RW_STORE_SCHEMA, (int)version, (int)RW_STORE_SCHEMA);
	return 0;
}

/* ---- opening and closing ----------------------------------------------------- */

/* Closing is to change nothing while this is so: SQLite would copy the WAL into the file. */
static void keep_wal(struct rw_journal *journal, bool keep)
{
	sqlite3_db_config(journal->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)keep, NULL);
}

static int open_database(struct rw_journal *journal, const char *path, bool thoroughly,
			 char error[RW_STORE_ERROR_BYTES])
{
	static const char pragmas[] = "PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL;"
				      "PRAGMA wal_autocheckpoint=1000;"
				      "PRAGMA journal_size_limit=67108864;"
				      "PRAGMA cache_size=-16384;"
				      "PRAGMA temp_store=MEMORY;"
				      "PRAGMA trusted_schema=OFF;";
	int64_t version = 0;

	if (sqlite3_open_v2(path, &journal->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return open_failed(journal, path, "open it", error);
	sqlite3_extended_result_codes(journal->db, 1);
	sqlite3_busy_timeout(journal->db, 5000);
	keep_wal(journal, true);

	int err = check_schema(journal, path, thoroughly, error, &version);
	if (err != 0)
		return err;
	if (sqlite3_exec(journal->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return open_failed(journal, path, "set it up", error);
	err = bring_up(journal, path, version, error);
	if (err != 0)
		return err;
	for (int i = 0; i < S_COUNT; i++) {
		if (sqlite3_prepare_v3(journal->db, rw_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &journal->prepared[i], NULL) != SQLITE_OK)
			return open_failed(journal, path, "prepare a statement", error);
	}
	return 0;
}

/* With the lock, and `path` looked at; *out is to be closed also on failure, unless NULL. */
static int open_journal(const char *path, bool thoroughly, struct rw_journal **out,
			char error[RW_STORE_ERROR_BYTES])
{
	struct rw_journal *journal = calloc(1, sizeof(*journal));

	*out = journal;
	if (journal == NULL)
		return fail(error, -ENOMEM, path, "out of memory");
	journal->lock_fd = -1;
	journal->path = strdup(path);
	if (journal->path == NULL)
		return fail(error, -ENOMEM, path, "out of memory");
	int err = take_lock(journal, path, error);
	return err != 0 ? err : open_database(journal, path, thoroughly, error);
}

int rw_journal_open(const char *path, struct rw_journal **out, char error[RW_STORE_ERROR_BYTES])
{
	struct rw_journal *journal;
	int err = open_journal(path, false, &journal, error);

	if (err != 0) {
		rw_journal_close(journal);
		return err;
	}
	keep_wal(journal, false);
	set_mark(journal, open_mark);
	journal->is_ready = true;
	*out = journal;
	return 0;
}

static void close_database(struct rw_journal *journal)
{
	for (int i = 0; i < S_COUNT; i++) {
		sqlite3_finalize(journal->prepared[i]);
		journal->prepared[i] = NULL;
	}
	/* All of it into the file now: a reader that closes after this finds nothing to copy. */
	if (journal->is_ready) {
		sqlite3_busy_timeout(journal->db, CLOSE_BUSY_MS);
		sqlite3_wal_checkpoint_v2(journal->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
					  NULL);
	}
	bool is_closed = sqlite3_close(journal->db) == SQLITE_OK;
	journal->db = NULL;
	if (journal->is_ready && is_closed)
		set_mark(journal, closed_mark);
}

void rw_journal_close(struct rw_journal *journal)
{
	if (journal == NULL)
		return;
	close_database(journal);
	/* The lock goes last, with its descriptor. The file stays: to remove it
	 * would let a third collector lock a new one beside a waiting second. */
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	free(journal->path);
	free(journal);
}

/* ---- setting aside ------------------------------------------------------------- */

static const char *const parts[] = {"", "-wal", "-shm"};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

/*
 * All parts get their new names before one loses its old: whenever this ends,
 * the store stands whole under one name or under both.
 */
static int rename_parts(const char *path, const char *aside, char error[RW_STORE_ERROR_BYTES])
{
	for (int i = 0; i < 2 * PARTS; i++) {
		rw_autofree char *from = NULL;
		rw_autofree char *to = NULL;
		if (asprintf(&from, "%s%s", path, parts[i % PARTS]) < 0 ||
		    asprintf(&to, "%s%s", aside, parts[i % PARTS]) < 0)
			return fail(error, -ENOMEM, path, "out of memory");
		int status = i < PARTS ? link(from, to) : unlink(from);
		if (status != 0 && !(errno == ENOENT && i % PARTS > 0)) {
			int err = -errno;
			snprintf(error, RW_STORE_ERROR_BYTES, "%s: cannot be set aside as %s: %s",
				 path, aside, strerror(-err));
			return err;
		}
	}
	return 0;
}

static int set_aside(struct rw_journal *journal, const char *path,
		     char moved_to[RW_STORE_PATH_BYTES], char error[RW_STORE_ERROR_BYTES])
{
	time_t now = time(NULL);
	struct tm utc;
	char when[32];

	gmtime_r(&now, &utc);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc);
	int length = snprintf(moved_to, RW_STORE_PATH_BYTES, "%s.damaged-%s", path, when);
	int err = length >= RW_STORE_PATH_BYTES
			  ? fail(error, -ENAMETOOLONG, path, "is too long a path to set aside")
			  : 0;
	close_database(journal);
	if (err == 0)
		err = rename_parts(path, moved_to, error);
	if (err != 0)
		moved_to[0] = '\0';
	return err;
}

int rw_store_set_aside_damaged(const char *path, char moved_to[RW_STORE_PATH_BYTES],
			       char error[RW_STORE_ERROR_BYTES])
{
	const struct rw_store_loader nobody = {0};
	struct rw_journal *journal;
	char fault[RW_STORE_ERROR_BYTES] = "";

	moved_to[0] = error[0] = '\0';
	int err = open_journal(path, true, &journal, fault);
	if (err == 0)
		err = rw_journal_load(journal, &nobody, fault);
	if (err == -EUCLEAN)
		err = set_aside(journal, path, moved_to, error);
	if (error[0] == '\0')
		snprintf(error, RW_STORE_ERROR_BYTES, "%s", fault);
	rw_journal_close(journal);
	return err;
}
