/** The federation service of one member: a hub and a real API server in, discovery and objects out. Talks with its parent by messages. */
import { readFileSync } from 'node:fs';
import { Clusterset } from '@landbridge/federation/clusterset/clusterset.ts';
import { CREDENTIALS_SECRET } from '@landbridge/federation/hub/kept-credentials.ts';
import { Membership } from '@landbridge/federation/hub/membership.ts';
import type { HubCredentials } from '@landbridge/federation/join/credentials.ts';
import { makeMemoryTokenStore } from '@landbridge/federation/join/token-store.ts';
import { KubernetesObjectSource } from '@landbridge/federation/kubernetes/kubernetes-object-source.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { Writer } from '@landbridge/federation/outputs/writer.ts';
import type { ApiServerAccess } from '@landbridge/kubernetes/api-server-access.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { federationConfig } from '../control-plane/federation-config.ts';
import { MeasuredService } from '../control-plane/measured-service.ts';
import { HOME, SERVICE_RANGE } from './shared-services.ts';

/** PEM. */
export interface AccessFile {
  readonly server: string;
  readonly roots: string;
  readonly certificate: { readonly cert: string; readonly key: string };
}

async function main(): Promise<void> {
  const [accessFile = '', wanted = ''] = process.argv.slice(2);
  const credentials = await new Promise<HubCredentials>((resolve) => process.once('message', resolve));
  const config = { ...federationConfig(HOME), serviceRanges: [SERVICE_RANGE] };
  const measured = new MeasuredService(config, Number(wanted));
  const { ads, log, roots } = measured;
  // As in a pod, where no kubeconfig is read: what reads one brings clients of all APIs.
  const { server, roots: serverRoots, certificate } = JSON.parse(readFileSync(accessFile, 'utf8')) as AccessFile;
  const access: ApiServerAccess = { userAgent: 'bench/1', server: new URL(server), roots: () => serverRoots, certificate };
  const apiServer = new ApiServerClient(access);
  const secrets = new MemorySecretStore();
  await secrets.write(CREDENTIALS_SECRET, { 'credentials.json': JSON.stringify(credentials) }, undefined);
  const membership = new Membership({ cluster: HOME, trustDomain: config.trustDomain, network: '', roots, secrets, tokens: makeMemoryTokenStore(), clock: Date.now, log, onChange: () => clusterset.notify() });
  const clusterset = new Clusterset({ config, sourceOf: (kind) => new KubernetesObjectSource(apiServer, kind, log), membership, writer: new Writer(access, log), ads, roots, version: '0.1.0', log });
  await measured.run(membership, clusterset);
}

void main();
