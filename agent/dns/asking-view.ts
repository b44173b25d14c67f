import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import type { OnDemand } from '../discovery/on-demand.ts';
import type { Registry } from '../discovery/registry.ts';
import { hostKey, type Service } from '../discovery/wds-address.ts';
import type { NameView } from './name-view.ts';
import { parseServiceName } from './service-names.ts';
import { isIn } from './zones.ts';

/** The key by which a service of a cluster, or of the clusterset, is asked for; its namespace is in its name. Undefined for any other host. */
export function keyOfHost(host: string, clusterDomain: string): string | undefined {
  const parsed = isIn(host, CLUSTERSET_DOMAIN) ? parseServiceName(host, CLUSTERSET_DOMAIN, true) : parseServiceName(host, clusterDomain, false);
  const namespace = parsed?.host.split('.')[1];
  return parsed === undefined || namespace === undefined ? undefined : hostKey(namespace, parsed.host);
}

/**
 * Services by name where they are asked for as they are needed. What is looked at is looked at in the order of its
 * precedence: an answer that was found after something unknown may be the wrong one. Hosts of no cluster can not be asked
 * for, as nothing says which namespace they are of; of them is there what is known for another reason.
 */
export class AskingView implements NameView {
  readonly isReady: boolean;
  readonly registry: NameView['registry'];
  #hasPassedUnknown = false;

  constructor(registry: Registry, onDemand: Pick<OnDemand, 'isKnown'>, isReady: boolean, clusterDomain: string) {
    this.isReady = isReady;
    this.registry = {
      serviceByHostname: (hostname, namespace): Service | undefined => {
        const key = keyOfHost(hostname, clusterDomain);
        if (key !== undefined && !onDemand.isKnown(key)) this.#hasPassedUnknown = true;
        return registry.serviceByHostname(hostname, namespace);
      },
      endpointsOf: (service) => registry.endpointsOf(service),
      namedEndpointsOf: (service) => registry.namedEndpointsOf(service),
      // Which namespaces have imports is not known here: that a name is only the end of others may be said of one that is not.
      hasHostBelow: (domain) => registry.hasHostBelow(domain) || domain.split('.').length === `namespace.svc.${CLUSTERSET_DOMAIN}`.split('.').length,
    };
  }

  get hasPassedUnknown(): boolean {
    return this.#hasPassedUnknown;
  }
}
