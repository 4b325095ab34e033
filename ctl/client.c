/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/text.h"
#include "lib/version.h"

enum {
	BODY_MAX = 64 << 20,
	TOKEN_MAX = 512,
	URL_MAX = 1024,
	CONNECT_TIMEOUT_S = 5,
	REQUEST_TIMEOUT_S = 30,
};

struct rw_client {
	CURL *curl;
	struct curl_slist *headers; /* of a GET */
	struct curl_slist *post_headers;
	char url[URL_MAX];
	char curl_error[CURL_ERROR_SIZE];
};

__attribute__((format(printf, 3, 4))) static int fail(char error[RW_CLIENT_ERROR_BYTES], int err,
						      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, RW_CLIENT_ERROR_BYTES, fmt, args);
	va_end(args);
	return err;
}

/* ---- address and token ----------------------------------------------------- */

static int take_url(struct rw_client *client, const char *url, char error[RW_CLIENT_ERROR_BYTES])
{
	size_t length = strlen(url);

	while (length > 0 && url[length - 1] == '/')
		length--;
	if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
	    length >= sizeof(client->url) || strpbrk(url, "?#@ ") != NULL)
		return fail(
			error, -EINVAL,
			"the collector's address must be http://HOST:PORT or https://HOST:PORT, "
			"without user, query or spaces");
	memcpy(client->url, url, length);
	client->url[length] = '\0';
	return 0;
}

/* RFC 6750's b64token: nothing in it can end the header. */
static bool is_token(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= TOKEN_MAX &&
	       strspn(text,
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") ==
		       length;
}

static int read_token(const char *file, char out[TOKEN_MAX + 1], char error[RW_CLIENT_ERROR_BYTES])
{
	const char *given = getenv("RINGWATCH_TOKEN");
	rw_autofree char *bytes = NULL;

	out[0] = '\0';
	if (file != NULL) {
		int err = rw_file_read(file, TOKEN_MAX + 2, &bytes, NULL);
		if (err != 0)
			return fail(error, -EINVAL, "%s: cannot be read: %s", file, strerror(-err));
		bytes[strcspn(bytes, "\r\n")] = '\0';
		given = bytes;
	}
	if (given == NULL)
		return 0;
	if (!is_token(given))
		return fail(error, -EINVAL, "%s holds no token",
			    file == NULL ? "RINGWATCH_TOKEN" : file);
	memcpy(out, given, strlen(given) + 1);
	return 0;
}

static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

static bool make_headers(struct rw_client *client, const char *token)
{
	char authorization[TOKEN_MAX + 32];
	struct curl_slist **lists[] = {&client->headers, &client->post_headers};

	snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", token);
	for (size_t i = 0; i < 2; i++)
		if (!add_header(lists[i], "Accept: application/json") ||
		    (token[0] != '\0' && !add_header(lists[i], authorization)))
			return false;
	return add_header(&client->post_headers, "Content-Type: application/json");
}

static bool set_options(struct rw_client *client)
{
	CURL *curl = client->curl;

	return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT_S) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT, "ringwatch/" RW_VERSION) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_error) == CURLE_OK;
}

/* curl names a missing file as the server's fault: it is looked at here. */
static int check_readable(const char *option, const char *file, char error[RW_CLIENT_ERROR_BYTES])
{
	if (access(file, R_OK) == 0)
		return 0;
	return fail(error, -EINVAL, "--%s: %s: %s", option, file, strerror(errno));
}

static int take_tls(struct rw_client *client, const struct rw_args *args,
		    char error[RW_CLIENT_ERROR_BYTES])
{
	static const struct {
		enum rw_option option;
		const char *name;
		CURLoption curl;
	} files[] = {{RW_OPT_CA, "ca", CURLOPT_CAINFO},
		     {RW_OPT_CERT, "cert", CURLOPT_SSLCERT},
		     {RW_OPT_KEY, "key", CURLOPT_SSLKEY}};
	bool encrypted = strncmp(client->url, "https://", 8) == 0;
	CURL *curl = client->curl;

	if (rw_args_has(args, RW_OPT_CERT) != rw_args_has(args, RW_OPT_KEY))
		return fail(error, -EINVAL, "--cert and --key go together");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *file = args->value[files[i].option];

		if (file == NULL)
			continue;
		/* Plain HTTP would pass over it, and the token with it in the clear. */
		if (!encrypted)
			return fail(error, -EINVAL, "--%s needs an https:// URL, this is %s",
				    files[i].name, client->url);
		int err = check_readable(files[i].name, file, error);
		if (err != 0)
			return err;
		if (curl_easy_setopt(curl, files[i].curl, file) != CURLE_OK)
			return fail(error, -ENOMEM, "libcurl cannot be set up");
	}
	if (rw_args_has(args, RW_OPT_CA) &&
	    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) != CURLE_OK)
		return fail(error, -ENOMEM, "libcurl cannot be set up");
	return 0;
}

int rw_client_new(const struct rw_args *args, struct rw_client **out,
		  char error[RW_CLIENT_ERROR_BYTES])
{
	const char *url = args->value[RW_OPT_URL];
	char token[TOKEN_MAX + 1];
	struct rw_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return fail(error, -ENOMEM, "out of memory");
	if (url == NULL)
		url = getenv("RINGWATCH_URL");
	int err = take_url(client, url == NULL || url[0] == '\0' ? "http://127.0.0.1:8470" : url,
			   error);
	if (err == 0)
		err = read_token(args->value[RW_OPT_TOKEN_FILE], token, error);
	if (err == 0) {
		client->curl = curl_easy_init();
		if (client->curl == NULL || !make_headers(client, token) || !set_options(client))
			err = fail(error, -ENOMEM, "libcurl cannot be set up");
	}
	if (err == 0)
		err = take_tls(client, args, error);
	if (err != 0) {
		rw_client_free(client);
		return err;
	}
	*out = client;
	return 0;
}

void rw_client_free(struct rw_client *client)
{
	if (client == NULL)
		return;
	curl_slist_free_all(client->headers);
	curl_slist_free_all(client->post_headers);
	curl_easy_cleanup(client->curl);
	free(client);
}

const char *rw_client_url(const struct rw_client *client)
{
	return client->url;
}

bool rw_client_hurry(struct rw_client *client, uint64_t timeout_ms)
{
	long ms = timeout_ms > REQUEST_TIMEOUT_S * 1000 ? REQUEST_TIMEOUT_S * 1000L
							: (long)timeout_ms;

	return curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK;
}

/* ---- one request ----------------------------------------------------------- */

void rw_reply_release(struct rw_reply *reply)
{
	json_decref(reply->json);
	free(reply->body);
	*reply = (struct rw_reply){0};
}

void rw_reply_print(const struct rw_reply *reply)
{
	bool ended = reply->length > 0 && reply->body[reply->length - 1] == '\n';

	printf("%s%s", reply->body, ended ? "" : "\n");
}

/* curl's write callback: anything but `size * count` ends the transfer. */
static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct rw_reply *reply = context;
	size_t length = size * count;

	if (length > BODY_MAX - reply->length)
		return 0;
	char *larger = realloc(reply->body, reply->length + length + 1);
	if (larger == NULL)
		return 0;
	memcpy(larger + reply->length, bytes, length);
	reply->body = larger;
	reply->length += length;
	reply->body[reply->length] = '\0';
	return length;
}

static int explain_no_answer(struct rw_client *client, CURLcode code,
			     char error[RW_CLIENT_ERROR_BYTES])
{
	long os_error = 0;
	const char *why =
		client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code);

	if (code == CURLE_COULDNT_CONNECT &&
	    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error) == CURLE_OK &&
	    os_error > 0)
		why = strerror((int)os_error);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		why = "no answer in time";
	else if (code == CURLE_WRITE_ERROR)
		why = "the answer is too large";
	return fail(error, -EIO, "cannot reach %s: %s", client->url, why);
}

int rw_client_request(struct rw_client *client, const char *path, const json_t *body,
		      struct rw_reply *reply, char error[RW_CLIENT_ERROR_BYTES])
{
	char address[URL_MAX + RW_CLIENT_PATH_BYTES];
	rw_autofree char *text = NULL;
	CURL *curl = client->curl;

	*reply = (struct rw_reply){0};
	snprintf(address, sizeof(address), "%s%s", client->url, path);
	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		if (text == NULL)
			return fail(error, -ENOMEM, "out of memory");
	}
	client->curl_error[0] = '\0';
	bool ready =
		curl_easy_setopt(curl, CURLOPT_URL, address) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER,
				 body == NULL ? client->headers : client->post_headers) ==
			CURLE_OK &&
		(text == NULL ? curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK
			      : curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, text) == CURLE_OK);
	if (!ready)
		return fail(error, -ENOMEM, "libcurl cannot be set up");
	CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		return explain_no_answer(client, code, error);
	if (curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status) != CURLE_OK)
		return fail(error, -EIO, "libcurl tells no status");
	if (reply->body != NULL)
		reply->json = json_loadb(reply->body, reply->length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(reply->json)) {
		json_decref(reply->json);
		reply->json = NULL;
	}
	return 0;
}

/* The collector's words for why not, made safe for a terminal. */
static int explain_refusal(const struct rw_client *client, const struct rw_reply *reply,
			   char error[RW_CLIENT_ERROR_BYTES])
{
	const json_t *inner = json_object_get(reply->json, "error");
	const char *code = json_string_value(json_object_get(inner, "code"));
	const char *message = json_string_value(json_object_get(inner, "message"));
	char safe_code[64];
	char safe_message[320];
	char safe_reasons[96] = "";
	size_t used = 0;

	if (code == NULL || message == NULL)
		return fail(error, -EPROTO, "%s answered with HTTP status %ld", client->url,
			    reply->status);
	rw_text_escape(safe_code, sizeof(safe_code), code, strlen(code));
	rw_text_escape(safe_message, sizeof(safe_message), message, strlen(message));
	const json_t *reasons = json_object_get(inner, "reasons");
	for (size_t i = 0; i < json_array_size(reasons); i++) {
		const char *reason = json_string_value(json_array_get(reasons, i));
		if (reason == NULL || used + 3 >= sizeof(safe_reasons))
			break;
		memcpy(safe_reasons + used, i == 0 ? ": " : ", ", 3);
		used += 2;
		used += rw_text_escape(safe_reasons + used, sizeof(safe_reasons) - used, reason,
				       strlen(reason));
	}
	return fail(error, -EPERM, "%s (%s%s)%s", safe_message, safe_code, safe_reasons,
		    reply->status == 401 ? "; give --token-file or RINGWATCH_TOKEN" : "");
}

int rw_client_ask(struct rw_client *client, const char *path, const json_t *body,
		  struct rw_reply *reply, char error[RW_CLIENT_ERROR_BYTES])
{
	int err = rw_client_request(client, path, body, reply, error);

	if (err != 0)
		return err;
	if (reply->status < 200 || reply->status > 299)
		return explain_refusal(client, reply, error);
	if (reply->json == NULL)
		return fail(error, -EPROTO, "%s answered with something that is no JSON object",
			    client->url);
	return 0;
}

/* ---- paths ----------------------------------------------------------------- */

static void append(struct rw_path *path, const char *text)
{
	size_t length = strlen(text);

	if (path->too_long || length >= sizeof(path->text) - path->used) {
		path->too_long = true;
		return;
	}
	memcpy(path->text + path->used, text, length + 1);
	path->used += length;
}

static void append_encoded(struct rw_path *path, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9') || strchr("-._~", *s) != NULL;
		char piece[4] = {(char)*s, '\0', '\0', '\0'};
		if (!plain) {
			piece[0] = '%';
			piece[1] = hex[*s >> 4];
			piece[2] = hex[*s & 15];
		}
		append(path, piece);
	}
}

struct rw_path rw_path_of(const char *base)
{
	struct rw_path path = {0};

	append(&path, base);
	return path;
}

void rw_path_part(struct rw_path *path, const char *part)
{
	append(path, "/");
	append_encoded(path, part);
}

void rw_path_query(struct rw_path *path, const char *key, const char *value)
{
	if (value == NULL)
		return;
	append(path, path->has_query ? "&" : "?");
	append(path, key);
	append(path, "=");
	append_encoded(path, value);
	path->has_query = true;
}
