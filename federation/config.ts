import { readFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parsePrefix } from '@landbridge/core/ip-address.ts';
import { CLUSTER_DOMAIN, DOMAIN_PATTERN, parseClusterName } from '@landbridge/core/names.ts';
import { type Gateway, MAX_GATEWAYS } from '@landbridge/core/records.ts';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { leafUrl } from './leaf/leaf-config.ts';
import type { LeafPlace } from './leaf/leaf-secret.ts';
import { GATEWAY_PORT } from './networks/gateway-service.ts';
import { GATEWAY_NAME } from './networks/own-gateways.ts';
import { usableAddress } from './networks/remote-gateways.ts';
import type { IstioShape } from './outputs/istio/istio-context.ts';

const Ranges = Type.Array(Type.String({ minLength: 3, maxLength: 49 }), { maxItems: 256, default: [] });

/** The file at LANDBRIDGE_CONFIG, written by the chart from its values. */
export const FederationConfigSchema = Type.Object({
  cluster: Type.Object({
    /** Unique in the clusterset; can not be changed after joining. */
    name: Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }),
    /** SPIFFE trust domain; `<name>.landbridge` where left out. */
    trustDomain: Type.Optional(Type.String({ pattern: '^([a-z0-9._-]{1,255})?$' })),
    /** Clusters of one network reach each other's pods directly. */
    network: Type.String({ maxLength: 63, default: '' }),
    /** Under which DNS has the cluster's own Services, as its kubelets have it. */
    domain: Type.String({ pattern: DOMAIN_PATTERN, maxLength: 63, default: CLUSTER_DOMAIN }),
    /** Where other networks reach this cluster's east-west gateways; looked up where left out. */
    gateways: Type.Array(Type.Object({
      address: Type.String({ minLength: 1, maxLength: 253 }),
      port: Type.Integer({ minimum: 1, maximum: 65535, default: GATEWAY_PORT }),
      region: Type.String({ maxLength: 63, default: '' }),
      zone: Type.String({ maxLength: 63, default: '' }),
    }, { additionalProperties: false }), { maxItems: MAX_GATEWAYS, default: [] }),
    /** `ADDRESS/BITS`: where pods have their addresses, as told to the other members; what nodes say where empty. */
    podRanges: Ranges,
    /** Where Services have theirs; what Services show where empty. */
    serviceRanges: Ranges,
  }, { additionalProperties: false }),
  policies: Type.Object({
    /** Policies of this namespace are for all; the service's own where empty. */
    rootNamespace: Type.String({ pattern: '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$', default: '' }),
  }, { additionalProperties: false, default: {} }),
  join: Type.Object({
    /** Name of a Secret in the service's namespace whose key `token` has a join token: the cluster joins by it while it is no member. */
    tokenSecret: Type.String({ pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$', default: '' }),
  }, { additionalProperties: false, default: {} }),
  peers: Type.Object({
    /** What becomes of the endpoints of a cluster that is Stale: nothing; they come after all others; or, after a time, they go. */
    stalePolicy: Type.Union([Type.Literal('keep'), Type.Literal('deprioritize'), Type.Literal('drop')], { default: 'deprioritize' }),
    /** Silence after which a cluster is Stale. Not less than some beats take. */
    staleAfterSeconds: Type.Integer({ minimum: 20, maximum: 86_400, default: 60 }),
    /** Silence after which the endpoints of a Stale cluster go, where that is the policy; never where 0. */
    dropAfterSeconds: Type.Integer({ minimum: 0, maximum: 30 * 86_400, default: 0 }),
  }, { additionalProperties: false, default: {} }),
  ca: Type.Object({
    /** Who signs: a root of the service's own, an authority that somebody puts into a Secret or a mounted folder, or a signer of the Kubernetes API. */
    source: Type.Union([Type.Literal('self'), Type.Literal('secret'), Type.Literal('files'), Type.Literal('csr')], { default: 'self' }),
    /** Name of the Secret, in the service's namespace. */
    secret: Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$', default: 'cacerts' }),
    /** The folder. */
    directory: Type.String({ pattern: '^/[^\\s]+$', maxLength: 4096, default: '/var/run/landbridge/ca' }),
    /** DOMAIN/PATH of the signer (certificates.k8s.io/v1, `spec.signerName`). */
    signerName: Type.String({ pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$', maxLength: 571, default: '' }),
    /** Whether the service approves its requests itself, as it has decided already who may have what. */
    approves: Type.Boolean({ default: true }),
    /** Name of the ConfigMap, in the service's namespace, with the roots that the signer's certificates lead to. */
    rootsConfigMap: Type.String({ pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$', default: '' }),
    /** In which of its values they are, in PEM. */
    rootsKey: Type.String({ pattern: '^[-._a-zA-Z0-9]{1,253}$', default: 'ca.crt' }),
  }, { additionalProperties: false, default: {} }),
  leaf: Type.Object({
    /** Whether the chart runs a leaf node, with a mirror that is read while the hub is away. */
    enabled: Type.Boolean({ default: false }),
    /** Where the hub's servers hear leaf nodes, as `landbridge hub init --leaf-port` has it. */
    hubPort: Type.Integer({ minimum: 1, maximum: 65535, default: 7422 }),
  }, { additionalProperties: false, default: {} }),
  istio: Type.Object({
    /** For whom ServiceEntries are written: ztunnel, or sidecars. */
    shape: Type.Union([Type.Literal('ambient'), Type.Literal('sidecar')], { default: 'ambient' }),
  }, { additionalProperties: false, default: {} }),
  logLevel: Type.Union(['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level)), { default: 'info' }),
}, { additionalProperties: false });

/** Where the certificate authority comes from. */
export type CaConfig = Static<typeof FederationConfigSchema>['ca'];

/** How clusters that fall silent are treated. */
export type PeersConfig = Static<typeof FederationConfigSchema>['peers'];

export interface FederationConfig {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly domain: string;
  readonly gateways: readonly Gateway[];
  readonly podRanges: readonly string[];
  readonly serviceRanges: readonly string[];
  /** Whose policies are for all namespaces. */
  readonly rootNamespace: string;
  readonly istioShape: IstioShape;
  readonly logLevel: string;
  readonly peers: PeersConfig;
  readonly ca: CaConfig;
  /** Undefined where the cluster does not join by itself. */
  readonly tokenSecret?: string;
  /** Undefined where the cluster has no leaf node. */
  readonly leaf?: LeafPlace;
  /** The namespace of the service itself. */
  readonly namespace: string;
}

/** @throws LandbridgeError `bad-config` saying where the file is wrong */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): FederationConfig {
  const file = environment['LANDBRIDGE_CONFIG'] ?? '/etc/landbridge/config.json';
  let value: unknown;
  try {
    value = Value.Default(FederationConfigSchema, JSON.parse(readFileSync(file, 'utf8')));
  } catch (thrown) {
    throw new LandbridgeError('bad-config', `${file} can not be read: ${String(thrown)}`, { hint: 'Install the federation service with its chart, or set LANDBRIDGE_CONFIG.', cause: thrown });
  }
  if (!Value.Check(FederationConfigSchema, value)) {
    const faults = [...Value.Errors(FederationConfigSchema, value)].map((error) => `${error.instancePath || '/'} ${error.message}`);
    throw new LandbridgeError('bad-config', `${file}: ${faults.slice(0, 5).join('; ')}`, { hint: 'Correct the values of the chart landbridge-federation.' });
  }
  const { cluster, policies, peers, join, ca, leaf, istio, logLevel }: Static<typeof FederationConfigSchema> = value;
  if (peers.dropAfterSeconds !== 0 && peers.dropAfterSeconds < peers.staleAfterSeconds) throw new LandbridgeError('bad-config', `${file}: /peers/dropAfterSeconds is less than staleAfterSeconds`, { hint: 'Let the values of the chart landbridge-federation have peers.dropAfterSeconds 0 or at least peers.staleAfterSeconds.' });
  const caFault = faultOfCa(ca);
  if (caFault !== undefined) throw new LandbridgeError('bad-config', `${file}: /ca ${caFault}`, { hint: 'Correct the values ca.* of the chart landbridge-federation: docs/certificates.md.' });
  const name = parseClusterName(cluster.name);
  if (!name.ok) throw new LandbridgeError('bad-config', `${file}: /cluster/name ${name.error}`, { hint: 'Choose another value cluster.name for the chart landbridge-federation.' });
  for (const range of [...cluster.podRanges, ...cluster.serviceRanges].map(parsePrefix)) if (!range.ok) throw new LandbridgeError('bad-config', `${file}: ${range.error}`, { hint: 'Correct cluster.podRanges and cluster.serviceRanges of the chart landbridge-federation.' });
  const namespace = environment['POD_NAMESPACE'] || 'landbridge-system';
  return {
    cluster: name.value,
    trustDomain: cluster.trustDomain || `${cluster.name}.landbridge`,
    network: cluster.network,
    domain: cluster.domain,
    gateways: cluster.gateways.map((gateway) => ({ ...gateway, address: usableGateway(gateway.address, file), namespace, serviceAccount: GATEWAY_NAME })),
    podRanges: cluster.podRanges,
    serviceRanges: cluster.serviceRanges,
    rootNamespace: policies.rootNamespace || namespace,
    istioShape: istio.shape,
    logLevel,
    peers,
    ca,
    ...(join.tokenSecret === '' ? {} : { tokenSecret: join.tokenSecret }),
    ...(leaf.enabled ? { leaf: { url: leafUrl(namespace), hubPort: leaf.hubPort } } : {}),
    namespace,
  };
}

/** What the schema can not say. */
function faultOfCa({ source, signerName, rootsConfigMap }: CaConfig): string | undefined {
  if (source !== 'csr') return undefined;
  if (signerName === '' || rootsConfigMap === '') return 'source csr needs signerName and rootsConfigMap';
  // Kubernetes' own signers make clients and nodes of the API server.
  return signerName.startsWith('kubernetes.io/') ? `${signerName} is none for workloads` : undefined;
}

function usableGateway(text: string, file: string): string {
  const address = usableAddress(text.toLowerCase());
  if (address === undefined) throw new LandbridgeError('bad-config', `${file}: /cluster/gateways ${JSON.stringify(text)} is neither an address that others could reach nor a name`, { hint: 'Correct cluster.gateways of the chart landbridge-federation.' });
  return address;
}
