import type { Gateway } from '@landbridge/core/records.ts';
import { NO_RULES, type ShareRules } from '../../networks/shares.ts';

/** What a program of Istio must be told in its own way: ztunnel takes HBONE, a sidecar takes its own mutual TLS. */
export type IstioShape = 'ambient' | 'sidecar';

export interface IstioContext {
  readonly shape: IstioShape;
  /** This cluster. */
  readonly cluster: string;
  /** By key of import. */
  readonly rulesOf: (key: string) => ShareRules;
  /** Of a cluster in another network. */
  readonly gatewaysOf: (cluster: string) => readonly Gateway[];
}

export const ALONE_IN_ISTIO: IstioContext = { shape: 'ambient', cluster: '', rulesOf: () => NO_RULES, gatewaysOf: () => [] };
