import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { waitFor } from '@landbridge/lab/wait.ts';
import test from 'ava';
import pino from 'pino';
import { CNI_TYPE } from '../cni-executable.ts';
import { CNI_FILE, type CniEntry } from './cni-configuration.ts';
import { CniInstallation } from './cni-installation.ts';

const ENTRY: CniEntry = { agentSocket: '/run/landbridge/cni.sock', timeoutSeconds: 30, retrySeconds: 15, exemptNamespaces: ['kube-system'] };
const conflist = (type: string): string => `${JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [{ type }] })}\n`;
const never = new AbortController().signal;

/** A node's two folders, with the plugin being kept in them. */
class Node implements AsyncDisposable {
  readonly root = mkdtempSync(path.join(tmpdir(), 'landbridge-cni-'));
  readonly configuration = path.join(this.root, 'net.d');
  readonly executables = path.join(this.root, 'bin');
  readonly source = path.join(this.root, 'source');
  readonly problems: string[] = [];
  inForce = 0;
  isInCharge = true;
  looks = 0;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  readonly installation: CniInstallation;

  constructor() {
    for (const folder of [this.configuration, this.executables]) mkdirSync(folder);
    writeFileSync(this.source, 'program 1');
    const log = pino({ level: 'warn' }, { write: (line: string) => void this.problems.push((JSON.parse(line) as { error: string }).error) });
    this.installation = new CniInstallation({ configuration: this.configuration, executables: this.executables }, ENTRY, log, { executable: this.source });
  }

  run(): void {
    const isInCharge = (): boolean => {
      this.looks += 1;
      return this.isInCharge;
    };
    this.#running = this.installation.run(this.#stop.signal, { onInForce: () => void (this.inForce += 1), isInCharge });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** As installers do it well: in the same folder, and renamed. */
  write(name: string, text: string): void {
    const fresh = path.join(this.configuration, `.${name}.tmp`);
    writeFileSync(fresh, text);
    renameSync(fresh, path.join(this.configuration, name));
  }

  /** The plugins of the network that pods get. */
  get plugins(): string[] {
    const first = readdirSync(this.configuration).filter((name) => /\.(conf|conflist|json)$/.test(name)).sort()[0];
    if (first === undefined) return [];
    return (JSON.parse(readFileSync(path.join(this.configuration, first), 'utf8')) as { plugins: { type: string }[] }).plugins.map(({ type }) => type);
  }

  get files(): string[] {
    return [this.configuration, this.executables].flatMap((folder) => readdirSync(folder).sort());
  }

  async until(what: string, is: () => boolean): Promise<void> {
    await waitFor(() => is() || undefined, { signal: never, timeoutMs: 20_000, everyMs: 5, what: () => `${what}; there is ${this.files.join(' ')}; ${this.problems.join('; ')}` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true, force: true });
  }
}

test('the plugin is put in place, stays when the agent stops, and is removed without a trace', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', conflist('bridge'));
  node.run();
  await node.until('the gate', () => node.inForce === 1);
  t.deepEqual(node.plugins, ['bridge', CNI_TYPE]);
  t.is(readFileSync(path.join(node.executables, CNI_TYPE), 'utf8'), 'program 1');
  t.is(statSync(path.join(node.executables, CNI_TYPE)).mode & 0o777, 0o755);
  t.is(statSync(path.join(node.configuration, CNI_FILE)).mode & 0o777, 0o600);
  await node.stop();
  t.deepEqual(node.files, [CNI_FILE, '10-lab.conflist', CNI_TYPE]);
  node.installation.remove();
  t.deepEqual(node.files, ['10-lab.conflist']);
  t.is(readFileSync(path.join(node.configuration, '10-lab.conflist'), 'utf8'), conflist('bridge'));
  node.installation.remove();
});

test('there is a gate as soon as there is a network', async (t) => {
  await using node = new Node();
  node.run();
  await node.until('a complaint', () => node.problems.length > 0);
  t.deepEqual([node.inForce, node.problems], [0, ['there is no CNI configuration yet']]);
  node.write('10-lab.conflist', conflist('bridge'));
  await node.until('the gate', () => node.inForce === 1);
});

test('a network that is written anew is never without its gate, and is followed', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', conflist('bridge-0'));
  node.run();
  await node.until('the gate', () => node.inForce === 1);
  for (let round = 1; round <= 50; round++) {
    node.write('10-lab.conflist', conflist(`bridge-${round}`));
    t.is(node.plugins.at(-1), CNI_TYPE);
  }
  await node.until('the last one', () => node.plugins[0] === 'bridge-50');
  t.is(node.plugins.at(-1), CNI_TYPE);
  node.write('05-earlier.conflist', conflist('cilium'));
  t.is(node.plugins.at(-1), CNI_TYPE);
  await node.until('the earlier one', () => node.plugins[0] === 'cilium');
  rmSync(path.join(node.configuration, '05-earlier.conflist'));
  await node.until('the later one', () => node.plugins[0] === 'bridge-50');
});

test('what others take away or spoil is put back', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', conflist('bridge'));
  node.run();
  await node.until('the gate', () => node.inForce === 1);
  for (const file of [path.join(node.configuration, CNI_FILE), path.join(node.executables, CNI_TYPE)]) {
    const before = readFileSync(file, 'utf8');
    const isBack = (): boolean => readdirSync(path.dirname(file)).includes(path.basename(file)) && readFileSync(file, 'utf8') === before;
    rmSync(file);
    await node.until(`${file} again`, isBack);
    writeFileSync(file, 'other');
    await node.until(`${file} as it was`, isBack);
  }
  chmodSync(path.join(node.executables, CNI_TYPE), 0o644);
  await node.until('its mode', () => (statSync(path.join(node.executables, CNI_TYPE)).mode & 0o777) === 0o755);
  t.deepEqual(node.files, [CNI_FILE, '10-lab.conflist', CNI_TYPE]);
});

test('a network that goes takes the gate with it', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', conflist('bridge'));
  node.run();
  await node.until('the gate', () => node.inForce === 1);
  rmSync(path.join(node.configuration, '10-lab.conflist'));
  await node.until('nothing', () => node.plugins.length === 0);
  node.write('20-next.conflist', conflist('next'));
  await node.until('the next one', () => node.plugins.join(' ') === `next ${CNI_TYPE}`);
  t.is(node.inForce, 1);
});

test('a newer agent brings its own plugin', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', conflist('bridge'));
  writeFileSync(path.join(node.executables, CNI_TYPE), 'program 0', { mode: 0o755 });
  node.run();
  await node.until('the gate', () => node.inForce === 1);
  t.is(readFileSync(path.join(node.executables, CNI_TYPE), 'utf8'), 'program 1');
});

test('an agent that has a newer one beside it leaves everything to that one', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', conflist('bridge'));
  node.run();
  await node.until('the gate', () => node.inForce === 1);
  node.isInCharge = false;
  writeFileSync(path.join(node.executables, CNI_TYPE), 'program 2');
  node.write('10-lab.conflist', conflist('next'));
  const { looks } = node;
  await node.until('the agent to look', () => node.looks > looks);
  t.is(readFileSync(path.join(node.executables, CNI_TYPE), 'utf8'), 'program 2');
  t.deepEqual(node.plugins, ['bridge', CNI_TYPE]);
  t.deepEqual(node.problems, []);
});

test('a folder that is not there is told, and what is not whole is waited for', async (t) => {
  await using node = new Node();
  node.write('10-lab.conflist', '{"plugins":');
  node.run();
  await node.until('a complaint', () => node.problems.length > 0);
  t.regex(node.problems[0] ?? '', /^10-lab.conflist: /);
  node.write('10-lab.conflist', conflist('bridge'));
  await node.until('the gate', () => node.inForce === 1);
  rmSync(node.executables, { recursive: true });
  await node.until('a complaint', () => node.problems.some((problem) => problem.includes('ENOENT')));
});
