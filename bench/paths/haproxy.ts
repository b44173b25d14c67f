import path from 'node:path';
import { installPackages } from '@landbridge/lab/machine.ts';
import { run } from '@landbridge/lab/run.ts';
import { firstVersion, unpackPackage } from '../build.ts';
import type { Path, Surroundings } from '../path.ts';
import { type Hop, startPlainPair } from './plain-pair.ts';

/** What Debian's haproxy is linked with. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  'liblua5.3-0': ['/usr/lib/x86_64-linux-gnu/liblua5.3.so.0'],
  'libopentracing-c-wrapper0': ['/usr/lib/x86_64-linux-gnu/libopentracing-c-wrapper.so.0'],
};

let program = '';

export const haproxy: Path = {
  name: 'haproxy',
  description: "Debian's haproxy in TCP mode, one thread, a TLS connection for each connection, sessions resumed",
  prepare: async (signal) => {
    await installPackages(LIBRARIES, signal);
    program = path.join(await unpackPackage('haproxy', signal), 'usr/sbin/haproxy');
    return firstVersion(await run([program, '-v'], { signal }));
  },
  start: async (surroundings) => await startPlainPair({ argv: (file) => [program, '-db', '-f', file], configuration }, surroundings),
};

/** haproxy sets TCP_NODELAY by itself, and resumes the sessions of its servers unless told otherwise. */
function configuration(end: 'client' | 'server', hops: readonly Hop[], { certificates: { directory, serverName } }: Surroundings): string {
  const tls = `ssl crt ${directory}/${end}.pem ca-file ${directory}/ca.crt verify required ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256`;
  const listeners = hops.map(({ service, listen, to }) =>
    end === 'client' ? `listen ${service}\n  bind ${listen}\n  server peer ${to} ${tls} verifyhost ${serverName}\n` : `listen ${service}\n  bind ${listen} ${tls} curves X25519\n  server application ${to}\n`,
  );
  return `global
  nbthread 1
  tune.bufsize 65536
defaults
  mode tcp
  backlog 4096
  timeout connect 10s
  timeout client 1h
  timeout server 1h
${listeners.join('')}`;
}
