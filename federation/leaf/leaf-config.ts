/** The configuration of a cluster's leaf node: a nats-server that mirrors the hub's bucket. Secrets are in files beside it, never in its text. */
import type { HubCredentials } from '../join/credentials.ts';
import { memberInboxPrefix } from '../join/hub-users.ts';
import { STREAM } from '../bus/bucket-delivery.ts';

/** Where the chart mounts what {@link leafFiles} has, and where the server keeps its streams. */
export const LEAF_DIRECTORY = '/etc/landbridge-leaf';
export const LEAF_STORE = '/data/jetstream';
export const LEAF_PORT = 4222;
/** The chart gives the leaf node this name. */
export const leafUrl = (namespace: string): string => `tls://landbridge-leaf.${namespace}.svc:${LEAF_PORT}`;
/** The bucket of a large federation is some hundred MiB. The volume that the chart makes has as much again. */
export const LEAF_STORE_BYTES = 1024 * 1024 * 1024;

export interface LeafConfig {
  readonly credentials: Pick<HubCredentials, 'cluster' | 'urls'>;
  /** Where the hub's servers hear leaf nodes. */
  readonly hubPort: number;
  /** NKey of the one user that the leaf node lets in: the federation service of its cluster. */
  readonly clientPublicKey: string;
}

/** @returns the text of nats.conf */
export function leafConfig({ credentials: { cluster, urls }, hubPort, clientPublicKey }: LeafConfig): string {
  const file = (name: string): string => JSON.stringify(`${LEAF_DIRECTORY}/${name}`);
  const remotes = [...new Set(urls.map((url) => JSON.stringify(`${url.slice(0, url.lastIndexOf(':'))}:${hubPort}`)))];
  return `# The leaf node of cluster ${cluster}. The federation service writes this file.
server_name: landbridge-leaf-${cluster}
listen: "0.0.0.0:${LEAF_PORT}"
max_payload: 1MB

tls {
  cert_file: ${file('leaf.pem')}
  key_file: ${file('leaf-key.pem')}
  min_version: "1.3"
  timeout: 5
}

jetstream {
  store_dir: ${JSON.stringify(LEAF_STORE)}
  domain: ${leafDomain(cluster)}
  max_file_store: ${LEAF_STORE_BYTES}
}

accounts {
  fed {
    jetstream: enabled
    users: [ {
      nkey: ${clientPublicKey}
      permissions {
        publish { allow: [${leafClientSubjects().map((subject) => JSON.stringify(subject)).join(', ')}] }
        subscribe { allow: [${JSON.stringify(`${memberInboxPrefix(cluster)}.>`)}] }
      }
    } ]
  }
}

leafnodes {
  reconnect: "2s"
  remotes: [ {
    urls: [${remotes.join(', ')}]
    account: fed
    credentials: ${file('hub.creds')}
    tls { ca_file: ${file('hub-ca.pem')}, min_version: "1.3", timeout: 5 }
  } ]
}
`;
}

/** JetStream's domain at the leaf node: the hub's is another one, and no two leaf nodes may share theirs. */
export const leafDomain = (cluster: string): string => `leaf-${cluster}`;

/** What the federation service may say there: to make the mirror, and to read it. Nothing of it leaves the leaf node. */
function leafClientSubjects(): string[] {
  return [
    '$JS.API.INFO',
    ...['CREATE', 'INFO', 'DELETE'].map((verb) => `$JS.API.STREAM.${verb}.${STREAM}`),
    ...['CREATE', 'INFO', 'DELETE'].map((verb) => `$JS.API.CONSUMER.${verb}.${STREAM}.>`),
    `$JS.FC.${STREAM}.>`,
  ];
}
