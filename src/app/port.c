#include "app/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/progress.h"

enum {
	PORT_MIN = 20000, PORT_MAX = 32000,     /* below the kernel's own range for outgoing connections */
	PORT_TRIES = 1000,
	POLL_MS = 20,
};

bool port_is_free(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
	bool is_free;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0;
	close(fd);
	return is_free;
}

int port_wait_free(uint16_t port, int wait_ms, struct err *err)
{
	for (int waited_ms = 0; !port_is_free(port); waited_ms += POLL_MS) {
		int rc = waited_ms < wait_ms ? progress_wait(NULL, 0, POLL_MS, err) : 0;

		if (rc < 0 || waited_ms >= wait_ms)
			return rc;
	}
	return 1;
}

/* From a random place on, so that playgrounds that start at the same time do not choose the same. */
int port_choose(uint16_t *ret_port, struct err *err)
{
	uint32_t start = 0;

	if (getrandom(&start, sizeof(start), 0) != (ssize_t)sizeof(start))
		return err_set(err, ERR_IO, "cannot get random bytes: %s", strerror(errno));
	for (uint32_t i = 0; i < PORT_TRIES; i++) {
		uint16_t port = (uint16_t)(PORT_MIN + (start + i) % (PORT_MAX - PORT_MIN));

		if (port_is_free(port)) {
			*ret_port = port;
			return 0;
		}
	}
	return err_set(err, ERR_IO, "no free port on 127.0.0.1 from %d to %d", PORT_MIN, PORT_MAX);
}
