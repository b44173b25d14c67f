/* Says what the C library's resolver makes of names, one line each: `NAME ADDRESS...`, or `NAME -ERROR`. */
#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **names)
{
	for (int i = 1; i < count; i++) {
		struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
		int status = getaddrinfo(names[i], NULL, &hints, &found);
		char text[64];

		printf("%s", names[i]);
		if (status != 0)
			printf(" -%d", status < 0 ? -status : status);
		for (struct addrinfo *each = found; each != NULL; each = each->ai_next)
			if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
				printf(" %s", text);
		putchar('\n');
		if (found != NULL)
			freeaddrinfo(found);
	}
	return 0;
}
