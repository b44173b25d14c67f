import { readFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CLUSTER_DOMAIN, DOMAIN_PATTERN, parseClusterName } from '@landbridge/core/names.ts';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';

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
  }, { additionalProperties: false }),
  policies: Type.Object({
    /** Policies of this namespace are for all; the service's own where empty. */
    rootNamespace: Type.String({ pattern: '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$', default: '' }),
  }, { additionalProperties: false, default: {} }),
  ca: Type.Object({
    /** Who signs: a root of the service's own, or an authority that somebody puts into a Secret or a mounted folder. */
    source: Type.Union([Type.Literal('self'), Type.Literal('secret'), Type.Literal('files')], { default: 'self' }),
    /** Name of the Secret, in the service's namespace. */
    secret: Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$', default: 'cacerts' }),
    /** The folder. */
    directory: Type.String({ pattern: '^/[^\\s]+$', maxLength: 4096, default: '/var/run/landbridge/ca' }),
  }, { additionalProperties: false, default: {} }),
  logLevel: Type.Union(['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level)), { default: 'info' }),
}, { additionalProperties: false });

/** Where the certificate authority comes from. */
export type CaConfig = Static<typeof FederationConfigSchema>['ca'];

export interface FederationConfig {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly domain: string;
  /** Whose policies are for all namespaces. */
  readonly rootNamespace: string;
  readonly logLevel: string;
  readonly ca: CaConfig;
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
  const { cluster, policies, ca, logLevel }: Static<typeof FederationConfigSchema> = value;
  const name = parseClusterName(cluster.name);
  if (!name.ok) throw new LandbridgeError('bad-config', `${file}: /cluster/name ${name.error}`, { hint: 'Choose another value cluster.name for the chart landbridge-federation.' });
  const namespace = environment['POD_NAMESPACE'] || 'landbridge-system';
  return {
    cluster: name.value,
    trustDomain: cluster.trustDomain || `${cluster.name}.landbridge`,
    network: cluster.network,
    domain: cluster.domain,
    rootNamespace: policies.rootNamespace || namespace,
    logLevel,
    ca,
    namespace,
  };
}
