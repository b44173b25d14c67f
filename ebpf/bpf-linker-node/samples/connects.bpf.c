/* The half that is attached, for the example of README.md. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int add_to(__u32 which);

SEC("cgroup/connect4")
int count_connect4(struct bpf_sock_addr *ctx)
{
	add_to(0);
	return 1;
}

SEC("cgroup/connect6")
int count_connect6(struct bpf_sock_addr *ctx)
{
	add_to(1);
	return 1;
}

char _license[] SEC("license") = "GPL";
