/* Writes the IPv4 address of a name, or why there is none, by the resolver of the C library that it is linked with. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **arguments)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	char text[INET_ADDRSTRLEN];
	int error;

	if (count != 2)
		return 2;
	error = getaddrinfo(arguments[1], 0, &hints, &found);
	if (error) {
		puts(gai_strerror(error));
		return 0;
	}
	puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof(text)));
	return 0;
}
