import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';

/** Where the API server is, and who asks it. */
export interface ApiServerAccess {
  /** `<program>/<version>`, as the API server's logs and metrics tell its clients apart. */
  readonly userAgent: string;
  /** https, without a path. */
  readonly server: URL;
  /** PEM roots for the server's certificate; read anew for each request, since they rotate. */
  readonly roots: () => string | Buffer;
  /** Read anew for each request: the kubelet replaces the token while it is still valid. */
  readonly token?: () => string;
  /** PEM, in place of a token. */
  readonly certificate?: { readonly cert: string | Buffer; readonly key: string | Buffer };
}

/** Where the kubelet puts token and roots of the pod's service account. */
export const CREDENTIALS_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/** As the kubelet tells every container. @throws LandbridgeError `bad-config` outside of a cluster */
export function clusterAccess({ host, port, directory, userAgent }: { readonly host: string; readonly port: number; readonly directory: string; readonly userAgent: string }): ApiServerAccess {
  if (host === '') throw new LandbridgeError('bad-config', 'there is no API server: KUBERNETES_SERVICE_HOST is not set', { hint: 'It runs as a pod of a cluster: install it with its chart.' });
  return {
    userAgent,
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    roots: () => readFileSync(path.join(directory, 'ca.crt')),
    token: () => readFileSync(path.join(directory, 'token'), 'utf8').trim(),
  };
}
