/*
 * A chained CNI plugin (CNI specification 1.1): asks the node's agent whether a pod may start, and prints what it says.
 *
 * Request:  CNI_* variables as lines NAME=value, an empty line, the configuration as it came, end of stream.
 * Answer:   "0 " or "1 " (the exit status) and the number of bytes to print, a line end, the bytes.
 *
 * It does without the agent what must not wait for one: DEL, so that pods can be deleted, and the namespaces that
 * `exemptNamespaces` names. Everything else fails, and the runtime tries again. A request may be repeated: the agent
 * takes each of them any number of times.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONFIGURATION (1 << 20)
#define MAX_VARIABLES (1 << 16)
#define MAX_ANSWER (1 << 20)
#define MAX_HEADER 16
#define MAX_NAMESPACE 63

/* Codes of the specification: wrong environment, can not be read, wrong configuration, later, not now. */
enum { INVALID_ENVIRONMENT = 4, IO_FAILURE = 5, INVALID_CONFIGURATION = 7, TRY_AGAIN = 11, NOT_AVAILABLE = 50 };

static char configuration[MAX_CONFIGURATION + 1];
static char variables[MAX_VARIABLES];
static char answer[MAX_HEADER + MAX_ANSWER];

struct text {
  const char *at;
  size_t length;
};

/* ---- JSON, as far as the values of the outermost object ---- */

static const char *skip_space(const char *at) { return at + strspn(at, " \t\r\n"); }

/* Past a string that begins here; NULL where it does not end. */
static const char *skip_string(const char *at) {
  for (at++; *at != '"'; at++) {
    if (*at == '\\') at++;
    if (*at == '\0') return NULL;
  }
  return at + 1;
}

/* Past a value that begins here; NULL where it does not end. What is inside is not looked at. */
static const char *skip_value(const char *at) {
  size_t depth = 0;
  do {
    at = skip_space(at);
    if (*at == '"') {
      at = skip_string(at);
      if (at == NULL) return NULL;
    } else if (*at == '{' || *at == '[') {
      depth++;
      at++;
    } else if (*at == '}' || *at == ']') {
      if (depth-- == 0) return NULL;
      at++;
    } else if (*at == ',' || *at == ':') {
      if (depth == 0) return NULL;
      at++;
    } else {
      size_t word = strcspn(at, " \t\r\n\",:{}[]");
      if (word == 0) return NULL;
      at += word;
    }
  } while (depth > 0);
  return at;
}

/* The value of a key of the outermost object; nothing where there is none. */
static struct text value_of(const char *key) {
  const char *at = skip_space(configuration);
  if (*at != '{') return (struct text){0};
  do {
    at = skip_space(at + 1);
    if (*at != '"') break;
    struct text name = {at + 1, 0};
    at = skip_string(at);
    if (at == NULL) break;
    name.length = (size_t)(at - 1 - name.at);
    at = skip_space(at);
    if (*at != ':') break;
    struct text value = {skip_space(at + 1), 0};
    at = skip_value(value.at);
    if (at == NULL) break;
    value.length = (size_t)(at - value.at);
    if (name.length == strlen(key) && memcmp(name.at, key, name.length) == 0) return value;
    at = skip_space(at);
  } while (*at == ',');
  return (struct text){0};
}

/* Without its quotation marks; nothing where there is no string, or one with escapes. */
static struct text string_of(const char *key) {
  struct text value = value_of(key);
  if (value.length < 2 || *value.at != '"' || memchr(value.at, '\\', value.length) != NULL) return (struct text){0};
  return (struct text){value.at + 1, value.length - 2};
}

static long seconds_of(const char *key, long otherwise, long most) {
  struct text value = value_of(key);
  char *end;
  long seconds = value.length == 0 ? otherwise : strtol(value.at, &end, 10);
  return seconds < 0 || seconds > most ? otherwise : seconds;
}

/* ---- Answers ---- */

static int fail(int code, const char *message, const char *details) {
  struct text version = string_of("cniVersion");
  if (version.length == 0 || version.length > 16) version = (struct text){"1.0.0", 5};
  printf("{\"cniVersion\":\"%.*s\",\"code\":%d,\"msg\":\"landbridge-cni: %s\",\"details\":\"%s\"}\n", (int)version.length, version.at, code, message, details);
  return 1;
}

/* Whether CNI_ARGS (K=V;K=V) names a namespace that `exemptNamespaces` has. */
static bool is_exempt(void) {
  static const char key[] = "K8S_POD_NAMESPACE=";
  const char *at = getenv("CNI_ARGS");
  while (at != NULL && strncmp(at, key, sizeof key - 1) != 0) {
    at = strchr(at, ';');
    if (at != NULL) at++;
  }
  if (at == NULL) return false;
  at += sizeof key - 1;
  size_t length = strcspn(at, ";");
  if (length == 0 || length > MAX_NAMESPACE || strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-") != length) return false;
  char quoted[MAX_NAMESPACE + 3];
  snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)length, at);
  struct text list = value_of("exemptNamespaces");
  return list.length > 0 && *list.at == '[' && memmem(list.at, list.length, quoted, strlen(quoted)) != NULL;
}

/* What the plugin before has made, as the specification wants it of a plugin that adds nothing. */
static int pass_on(void) {
  struct text result = value_of("prevResult");
  if (result.length == 0 || *result.at != '{') return fail(INVALID_CONFIGURATION, "there is no prevResult", "it must follow a plugin that makes interfaces");
  printf("%.*s\n", (int)result.length, result.at);
  return 0;
}

/* ---- The agent ---- */

static long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Whether the socket is ready before the time is over. */
static bool ready(int socket, short event, long long deadline) {
  struct pollfd one = {.fd = socket, .events = event};
  for (;;) {
    long long left = deadline - now_ms();
    if (left <= 0) {
      errno = ETIMEDOUT;
      return false;
    }
    int count = poll(&one, 1, (int)left);
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
  }
}

static bool send_all(int socket, const char *bytes, size_t length, long long deadline) {
  while (length > 0) {
    ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes += sent;
      length -= (size_t)sent;
    } else if (errno != EAGAIN && errno != EINTR) return false;
    else if (!ready(socket, POLLOUT, deadline)) return false;
  }
  return true;
}

/* Reads up to the end of the stream; the whole answer without its header, or nothing and errno. */
static bool receive(int socket, long long deadline, int *status, struct text *body) {
  size_t length = 0;
  for (;;) {
    if (!ready(socket, POLLIN, deadline)) return false;
    ssize_t received = recv(socket, answer + length, sizeof answer - length, MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (received < 0) return false;
    if (received == 0) break;
    length += (size_t)received;
    if (length == sizeof answer) {
      errno = EMSGSIZE;
      return false;
    }
  }
  answer[length] = '\0';
  char *end = answer;
  size_t bytes = length > 2 && answer[1] == ' ' && answer[2] >= '0' && answer[2] <= '9' ? strtoul(answer + 2, &end, 10) : 0;
  /* An agent that ends has perhaps not said everything. */
  if (length <= 2 || (answer[0] != '0' && answer[0] != '1') || *end != '\n' || answer + length - (end + 1) != (ssize_t)bytes) {
    errno = EPIPE;
    return false;
  }
  *status = answer[0] - '0';
  *body = (struct text){end + 1, bytes};
  return true;
}

/* One attempt; false and errno where the agent did not answer. */
static bool ask(const struct sockaddr_un *agent, size_t variable_bytes, size_t configuration_bytes, long long deadline, int *status, struct text *body) {
  int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_fd < 0) return false;
  bool done = connect(socket_fd, (const struct sockaddr *)agent, sizeof *agent) == 0
    && send_all(socket_fd, variables, variable_bytes, deadline)
    && send_all(socket_fd, configuration, configuration_bytes, deadline)
    && shutdown(socket_fd, SHUT_WR) == 0
    && receive(socket_fd, deadline, status, body);
  int reason = errno;
  close(socket_fd);
  errno = reason;
  return done;
}

/* The CNI variables as lines, with an empty one at the end; 0 where they do not fit, or would be read as others. */
static size_t write_variables(void) {
  static const char *const names[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"};
  size_t length = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value == NULL) continue;
    if (strchr(value, '\n') != NULL) return 0;
    int written = snprintf(variables + length, sizeof variables - length, "%s=%s\n", names[i], value);
    if (written < 0 || (size_t)written >= sizeof variables - length) return 0;
    length += (size_t)written;
  }
  if (length + 1 >= sizeof variables) return 0;
  variables[length] = '\n';
  return length + 1;
}

/* The length; -1 where it can not be read, is too long or has a zero byte. */
static ssize_t read_configuration(void) {
  size_t length = 0;
  while (length < sizeof configuration) {
    ssize_t bytes = read(STDIN_FILENO, configuration + length, sizeof configuration - length);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return -1;
    if (bytes == 0) break;
    length += (size_t)bytes;
  }
  if (length == sizeof configuration) return -1;
  configuration[length] = '\0';
  return strlen(configuration) == length ? (ssize_t)length : -1;
}

int main(void) {
  const char *command = getenv("CNI_COMMAND");
  if (command == NULL) return fail(INVALID_ENVIRONMENT, "CNI_COMMAND is not set", "container runtimes start this program");
  if (strcmp(command, "VERSION") == 0) {
    puts("{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}");
    return 0;
  }
  ssize_t configuration_bytes = read_configuration();
  if (configuration_bytes < 0) {
    *configuration = '\0';
    return fail(IO_FAILURE, "the configuration can not be read", "it has at most 1 MiB, and no zero bytes");
  }
  bool is_add = strcmp(command, "ADD") == 0;
  /* What is not said to the agent now, it finds out by itself. */
  bool is_lenient = strcmp(command, "DEL") == 0 || strcmp(command, "GC") == 0;
  size_t variable_bytes = write_variables();
  if (variable_bytes == 0) return fail(INVALID_ENVIRONMENT, "the CNI variables can not be used", "they have at most 64 KiB, and no line ends");
  struct text path = string_of("agentSocket");
  struct sockaddr_un agent = {.sun_family = AF_UNIX};
  if (path.length == 0 || path.length >= sizeof agent.sun_path) return is_lenient ? 0 : fail(INVALID_CONFIGURATION, "agentSocket is missing or too long", "the agent writes this configuration");
  memcpy(agent.sun_path, path.at, path.length);

  long long begun = now_ms();
  long long deadline = begun + 1000 * (is_lenient ? 5 : seconds_of("timeoutSeconds", 30, 110));
  long long retry_until = is_add || strcmp(command, "CHECK") == 0 ? begun + 1000 * seconds_of("retrySeconds", 15, 110) : begun;
  int status = 1;
  struct text body = {0};
  while (!ask(&agent, variable_bytes, (size_t)configuration_bytes, deadline, &status, &body)) {
    int reason = errno;
    /* An agent that is replaced is soon there again. */
    if (reason != ETIMEDOUT && now_ms() < retry_until && now_ms() < deadline) {
      poll(NULL, 0, 100);
      continue;
    }
    if (is_lenient) return 0;
    if (is_add && is_exempt()) return pass_on();
    return fail(strcmp(command, "STATUS") == 0 ? NOT_AVAILABLE : TRY_AGAIN, "the agent of this node does not answer", strerror(reason));
  }
  fwrite(body.at, 1, body.length, stdout);
  return fflush(stdout) == 0 ? status : 1;
}
