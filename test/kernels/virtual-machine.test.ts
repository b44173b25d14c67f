import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { runMachine } from './virtual-machine.ts';

const KERNEL = { release: '6.1.0-test', image: '/dev/null', modules: '/dev/null', root: '/' };

test('a guest that says nothing, and a machine that ends by itself, are told as ones that did not come up', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-machine-'));
  const ownPath = process.env['PATH'];
  t.teardown(() => {
    process.env['PATH'] = ownPath;
    rmSync(directory, { recursive: true });
  });
  process.env['PATH'] = `${directory}:${ownPath}`;
  const machine = (script: string): void => {
    writeFileSync(path.join(directory, 'qemu-system-x86_64'), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(directory, 'qemu-system-x86_64'), 0o755);
  };
  const lines: string[] = [];
  const run = async (): Promise<void> => await runMachine({ kernel: KERNEL, initialRoot: '/dev/null', accelerator: 'kvm', directory, signal: new AbortController().signal, kvmBootMs: 500, onLine: (line) => void lines.push(line) });
  machine('exec sleep 600');
  t.like(await t.throwsAsync(run()), { code: 'no-boot', message: 'the guest did not come up with kvm: ' });
  machine('echo no such accelerator >&2; exit 1');
  t.like(await t.throwsAsync(run()), { code: 'no-boot', message: 'the guest did not come up with kvm: no such accelerator' });
  machine('echo a line; exec sleep 1');
  await t.notThrowsAsync(run());
  t.deepEqual(lines, ['a line']);
});
