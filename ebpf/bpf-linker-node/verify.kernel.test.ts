import path from 'node:path';
import test from 'ava';
import { BpfLinkerError } from './error.ts';
import { linkObjects } from './link.ts';
import { compileSample, compileText, scratch } from './test-objects.ts';
import { verifyObject } from './verify.ts';

const HEAD = '#include <linux/types.h>\n#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nchar _license[] SEC("license") = "GPL";\n';

test('the kernel takes a linked object', (t) => {
  const directory = scratch(t);
  const linked = path.join(directory, 'linked.o');
  linkObjects(linked, [compileSample(directory, 'connects'), compileSample(directory, 'counter')]);
  t.notThrows(() => verifyObject(linked));
});

test("a refusal has the verifier's log, to the line that is wrong", (t) => {
  const directory = scratch(t);
  const object = compileText(directory, 'wrong', `${HEAD}
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } one SEC(".maps");
SEC("cgroup/connect4") int fails(struct bpf_sock_addr *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&one, &key);
	return *value ? 1 : 0;
}`);
  const error = t.throws(() => verifyObject(object), { instanceOf: BpfLinkerError, code: 'load' });
  t.regex(error?.message ?? '', /wrong\.o is refused: EACCES/);
  t.regex(error?.message ?? '', /prog 'fails': BPF program load failed/);
  t.regex(error?.message ?? '', /invalid mem access 'map_value_or_null'/);
  t.regex(error?.message ?? '', /bpf_map_lookup_elem/);
});

test('a file that is none is told', (t) => {
  t.throws(() => verifyObject(path.join(scratch(t), 'none.o')), { code: 'load', message: /can not be opened: ENOENT/ });
});
