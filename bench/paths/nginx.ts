import path from 'node:path';
import { outcomeOf } from '@landbridge/lab/run.ts';
import { firstVersion, unpackPackage } from '../build.ts';
import type { Path, Surroundings } from '../path.ts';
import { type Hop, startPlainPair } from './plain-pair.ts';

let program = '';
let module = '';

export const nginx: Path = {
  name: 'nginx',
  description: "Debian's nginx with its stream module, one worker, a TLS connection for each connection, sessions resumed",
  prepare: async (signal) => {
    program = path.join(await unpackPackage('nginx', signal), 'usr/sbin/nginx');
    module = path.join(await unpackPackage('libnginx-mod-stream', signal), 'usr/lib/nginx/modules/ngx_stream_module.so');
    return firstVersion((await outcomeOf([program, '-v'], { signal })).stderr);
  },
  start: async (surroundings) => await startPlainPair({ argv: (file) => [program, '-e', 'stderr', '-p', surroundings.directory, '-c', file], configuration }, surroundings),
};

/** tcp_nodelay is on by itself in streams, and so is the resumption of an upstream's sessions. */
function configuration(end: 'client' | 'server', hops: readonly Hop[], { certificates: { directory, serverName }, directory: own }: Surroundings): string {
  const tls =
    end === 'client'
      ? `proxy_ssl on;
  proxy_ssl_protocols TLSv1.3;
  proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  proxy_ssl_certificate ${directory}/client.crt;
  proxy_ssl_certificate_key ${directory}/client.key;
  proxy_ssl_trusted_certificate ${directory}/ca.crt;
  proxy_ssl_verify on;
  proxy_ssl_name ${serverName};`
      : `ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  ssl_ecdh_curve X25519;
  ssl_certificate ${directory}/server.crt;
  ssl_certificate_key ${directory}/server.key;
  ssl_client_certificate ${directory}/ca.crt;
  ssl_verify_client on;
  ssl_session_cache shared:sessions:10m;`;
  const servers = hops.map(({ listen, to }) => `  server { listen ${listen}${end === 'server' ? ' ssl' : ''} backlog=4096; proxy_pass ${to}; }\n`);
  return `load_module ${module};
user root;
daemon off;
worker_processes 1;
error_log stderr warn;
pid ${own}/${end}.pid;
events { worker_connections 20480; }
stream {
  proxy_connect_timeout 10s;
  proxy_timeout 1h;
  proxy_buffer_size 64k;
  ${tls}
${servers.join('')}}
`;
}
