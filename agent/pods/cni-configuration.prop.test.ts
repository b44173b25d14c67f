import test from 'ava';
import fc from 'fast-check';
import { parseExactJson } from '@landbridge/wire/exact-json.ts';
import { CNI_TYPE } from '../cni-executable.ts';
import { CNI_FILE, type CniEntry, type CniFiles, planCniFile } from './cni-configuration.ts';

const ENTRY: CniEntry = { agentSocket: '/run/landbridge/cni.sock', timeoutSeconds: 30, retrySeconds: 15, exemptNamespaces: ['kube-system'] };
const LAB = { cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'bridge', mtu: 1400, ipam: { type: 'host-local' } }, { type: 'portmap', capabilities: { portMappings: true } }], disableCheck: true };

/** What the directory has after one step. */
function step(files: CniFiles, entry = ENTRY): Map<string, string> {
  const plan = planCniFile(files, entry);
  const after = new Map(files);
  if (plan.kind === 'write') after.set(CNI_FILE, plan.text);
  if (plan.kind === 'remove') after.delete(CNI_FILE);
  return after;
}

const planned = (files: Readonly<Record<string, unknown>>, entry = ENTRY): unknown => {
  const plan = planCniFile(new Map(Object.entries(files).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])), entry);
  return plan.kind === 'write' ? JSON.parse(plan.text) : plan;
};

test('the plugin comes last in the network that the node has', (t) => {
  t.deepEqual(planned({ '10-lab.conflist': LAB, '20-other.conflist': { name: 'other', plugins: [{ type: 'x' }] } }), { ...LAB, plugins: [...LAB.plugins, { type: CNI_TYPE, ...ENTRY }] });
});

test('a file of one plugin becomes a list', (t) => {
  const bridge = { cniVersion: '0.4.0', name: 'old', type: 'bridge', mtu: 9000 };
  t.deepEqual(planned({ '10-old.conf': bridge }), { cniVersion: '0.4.0', name: 'old', plugins: [bridge, { type: CNI_TYPE, ...ENTRY }] });
});

test('files are taken in the order of their bytes, and of the endings that runtimes read', (t) => {
  const named = (name: string): object => ({ name, plugins: [{ type: 'x' }] });
  t.like(planned({ 'a.conflist': named('a'), 'Z.conflist': named('Z'), '00-no.conflist.bak': 'garbage', '.landbridge-unfinished': '' }), { name: 'Z' });
  t.like(planned({ 'é.conflist': named('é'), 'z.json': { type: 'x', name: 'z' } }), { name: 'z' });
});

test('a file that is not whole is waited for, and what was made before stays', (t) => {
  for (const text of ['', '{', '[]', '{"plugins":[]}', '{"plugins":[1]}', '{"plugins":{}}']) t.like(planned({ '10-lab.conflist': text, [CNI_FILE]: 'of before' }), { kind: 'wait' });
  t.like(planned({ '10-lab.conf': '{"name":"x"}' }), { kind: 'wait' });
});

test('without the network of another there is none of ours', (t) => {
  t.like(planned({}), { kind: 'wait' });
  t.deepEqual(planned({ [CNI_FILE]: 'of before' }), { kind: 'remove' });
});

test('a file that no name of ours comes before is told of', (t) => {
  const files = new Map([['!.conflist', JSON.stringify(LAB)]]);
  t.like(planCniFile(step(files), ENTRY), { kind: 'wait', reason: `!.conflist comes before ${CNI_FILE}: it needs another name` });
});

const name = fc.tuple(fc.stringMatching(/^[1-9a-z][a-z0-9-]{0,8}$/), fc.constantFrom('.conflist', '.conf', '.json', '.bak')).map((parts) => parts.join(''));
const number = fc.constantFrom('1', '1.50', '12345678901234567890');
const plugin = fc.tuple(fc.constantFrom('bridge', 'portmap', CNI_TYPE), number, fc.dictionary(fc.string(), fc.jsonValue())).map(([type, mtu, more]) => `{${Object.entries(more).filter(([key]) => key !== 'type' && key !== 'mtu').map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)},`).join('')}"type": "${type}", "mtu": ${mtu}}`);
const list = fc.tuple(fc.array(plugin, { maxLength: 4 }), number).map(([plugins, other]) => `{ "cniVersion": "1.0.0", "other": ${other},\n"name": "n", "plugins": [${plugins.join(', ')}] }`);
const directory = fc.dictionary(name, fc.oneof({ weight: 4, arbitrary: list }, plugin, fc.string())).map((files): CniFiles => new Map(Object.entries(files)));

test('nothing of others is lost or changed, twice is as once, and without ours all is as it was', (t) => {
  fc.assert(
    fc.property(directory, (before) => {
      const after = step(before);
      t.deepEqual(step(after), after, 'a second step changes something');
      const others = new Map(after);
      others.delete(CNI_FILE);
      t.deepEqual(others, new Map(before), 'a file of others');
      const own = after.get(CNI_FILE);
      if (own === undefined) return;
      t.deepEqual(planCniFile(after, ENTRY), { kind: 'in-force' });
      const first = [...before.keys()].filter((file) => !file.endsWith('.bak')).sort()[0] as string;
      const source = parseExactJson(before.get(first) ?? '');
      const made = parseExactJson(own);
      if (!source.ok || !made.ok) return void t.fail();
      const { plugins: theirs = [source.value], ...rest } = source.value as { plugins?: readonly { type: string }[] };
      const { plugins, ...kept } = made.value as { plugins: readonly { type: string }[] };
      t.deepEqual(plugins.at(-1), { type: CNI_TYPE, ...JSON.parse(JSON.stringify(ENTRY)), timeoutSeconds: plugins.at(-1)?.['timeoutSeconds' as 'type'], retrySeconds: plugins.at(-1)?.['retrySeconds' as 'type'] });
      t.is(JSON.stringify(plugins.slice(0, -1)), JSON.stringify((theirs as readonly { type: string }[]).filter(({ type }) => type !== CNI_TYPE)));
      if (first.endsWith('.conflist')) t.is(JSON.stringify(kept), JSON.stringify(rest));
    }),
  );
});

test('another writer of the network, or another entry, is followed', (t) => {
  fc.assert(
    fc.property(list, list, fc.nat(100), (one, two, seconds) => {
      const first = step(new Map([['10-a.conflist', one]]));
      const entry = { ...ENTRY, timeoutSeconds: seconds };
      const later = step(new Map([...first, ['10-a.conflist', two]]), entry);
      const fresh = step(new Map([['10-a.conflist', two]]), entry);
      // One that can not be used leaves what was there.
      t.is(later.get(CNI_FILE), fresh.get(CNI_FILE) ?? first.get(CNI_FILE));
    }),
  );
});
