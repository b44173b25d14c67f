import { type FederationConfig, FederationConfigSchema } from '@landbridge/federation/config.ts';
import { Value } from 'typebox/value';

/** As the chart would have it for a cluster of this name; pods and Services lie where the benchmarks put them. */
export function federationConfig(cluster: string): FederationConfig {
  const { peers, ca } = Value.Default(FederationConfigSchema, { cluster: { name: cluster } }) as Pick<FederationConfig, 'peers' | 'ca'>;
  return { cluster, trustDomain: `${cluster}.landbridge`, network: '', domain: 'cluster.local', gateways: [], podRanges: ['10.0.0.0/10'], serviceRanges: ['10.96.0.0/12', '10.128.0.0/9'], rootNamespace: 'landbridge-system', peers, istioShape: 'ambient', logLevel: 'warn', ca, namespace: 'landbridge-system' };
}
