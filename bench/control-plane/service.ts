/** The federation service without hub and certificates: objects in, discovery out. Talks with its parent by messages. */
import { KubeConfig } from '@kubernetes/client-node';
import { Clusterset } from '@landbridge/federation/clusterset/clusterset.ts';
import { Membership } from '@landbridge/federation/hub/membership.ts';
import { makeMemoryTokenStore } from '@landbridge/federation/join/token-store.ts';
import { kubeConfigAccess } from '@landbridge/federation/kubernetes/kube-config-access.ts';
import { KubernetesObjectSource } from '@landbridge/federation/kubernetes/kubernetes-object-source.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import type { Writer } from '@landbridge/federation/outputs/writer.ts';
import type { ApiServerAccess } from '@landbridge/kubernetes/api-server-access.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { federationConfig } from './federation-config.ts';
import { MeasuredService } from './measured-service.ts';

const [url = '', apiRoots = '', resources = ''] = process.argv.slice(2);
const config = federationConfig('bench');
const measured = new MeasuredService(config, Number(resources));
const { ads, log, roots } = measured;
const apiServer = new ApiServerClient(accessTo(url));

/** `at`: a URL, or the file of a kubeconfig. */
function accessTo(at: string): ApiServerAccess {
  if (URL.canParse(at)) return { userAgent: 'bench/1', server: new URL(at), roots: () => apiRoots };
  const kubernetes = new KubeConfig();
  kubernetes.loadFromFile(at);
  return kubeConfigAccess(kubernetes, 'bench/1');
}

// A cluster alone, which imports nothing.
const membership = new Membership({ cluster: config.cluster, trustDomain: config.trustDomain, network: '', roots, secrets: new MemorySecretStore(), tokens: makeMemoryTokenStore(), clock: Date.now, log, onChange: () => clusterset.notify() });
const writer: Pick<Writer, 'write' | 'writeStatus' | 'writesAtOnce'> = { writesAtOnce: 1, write: async () => true, writeStatus: async () => true };
const clusterset = new Clusterset({ config, sourceOf: (kind) => new KubernetesObjectSource(apiServer, kind, log), membership, writer: writer as Writer, ads, roots, version: 'bench', log });
void measured.run(membership, clusterset);
