/* One of each kind of type that a skeleton can say, for tests. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

enum color { RED, GREEN = 5, BLUE = 4294967295 };
enum sign { BELOW = -1, ABOVE = 1 };

struct inner {
	__be16 port;
	__u8 mac[6];
};

typedef __be32 address;

struct everything {
	__u8 a;
	__s16 b;
	__u32 c;
	__s64 d;
	address e;
	__be64 f;
	bool g;
	enum color h;
	enum sign i;
	struct inner j[2];
	__u16 k[2][3];
	char name[5];
	union {
		__u32 word;
		__u8 bytes[4];
	} either;
	struct {
		__u32 x;
		__u32 y;
	};
	union {
		__u16 low;
		__u32 wide;
	};
	__u32 flags : 3;
	__s32 level : 5;
	__u32 rest : 24;
	struct {
		__u64 count;
	} nested;
	const volatile __u32 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 77);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct inner);
	__type(value, struct everything);
} things SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 12);
} sized SEC(".maps");

const volatile __be16 port = 1;
const volatile enum color favourite = GREEN;
__u64 counter = 7;
__u32 seen[4];

static __attribute__((noinline)) int helper(int a)
{
	return a + (int)seen[a & 3];
}

SEC("cgroup/connect4")
int first(struct bpf_sock_addr *ctx)
{
	struct inner key = { .port = port };
	struct everything *found = bpf_map_lookup_elem(&things, &key);

	counter++;
	return found && found->i == ABOVE && favourite != BLUE ? helper((int)counter) & 1 : 1;
}

SEC("cgroup/connect4")
int second(struct bpf_sock_addr *ctx)
{
	return 1;
}

SEC("tc")
int third(struct __sk_buff *skb)
{
	return helper((int)skb->len) ? 0 : 2;
}

char _license[] SEC("license") = "GPL";
