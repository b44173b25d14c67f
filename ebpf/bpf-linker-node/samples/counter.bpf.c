/* The half that counts, for the example of README.md: another object declares the map. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

/* The verifier asks of functions that programs share that they return a number. */
int add_to(__u32 which)
{
	__u64 *total = bpf_map_lookup_elem(&totals, &which);

	if (total)
		__sync_fetch_and_add(total, 1);
	return 0;
}
