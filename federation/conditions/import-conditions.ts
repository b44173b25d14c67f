import type { V1Condition, V1Service } from '@kubernetes/client-node';
import { type StatedCondition, withConditions } from '../kubernetes/conditions.ts';
import type { ServiceImport } from '../kubernetes/types.ts';
import type { ImportedService } from '../merge/merge.ts';
import { REACHABLE, reachCondition } from '../networks/reach-condition.ts';
import { clustersetAddresses, familyOf } from '../outputs/clusterset-addresses.ts';

/** The condition of a ServiceImport (mcs-api v1beta1), and ours; undefined where it has it already. `service` gives the import its addresses. */
export function importConditions({ metadata, spec, status }: ServiceImport, imported: ImportedService, service: V1Service | undefined, now: Date): V1Condition[] | undefined {
  return withConditions(status?.conditions, [ready(imported, spec?.ips ?? [], service), ...reachable(status?.conditions, imported)], metadata?.generation, now);
}

function reachable(before: readonly V1Condition[] | undefined, imported: ImportedService): StatedCondition[] {
  const condition = reachCondition(imported);
  if (condition !== undefined) return [condition];
  return before?.some(({ type }) => type === REACHABLE) === true ? [{ type: REACHABLE, status: 'True', reason: 'Direct', message: '' }] : [];
}

/** `told`: addresses that stand in the import, which is observed with them. */
function ready(imported: ImportedService, told: readonly string[], service: V1Service | undefined): StatedCondition {
  const isReady: StatedCondition = { type: 'Ready', status: 'True', reason: 'Ready', message: '' };
  if (imported.type === 'Headless') return isReady;
  const addresses = clustersetAddresses(imported, service);
  const missing = imported.ipFamilies.filter((family) => !addresses.some((address) => familyOf(address) === family));
  if (addresses.length > 0 && told.length > 0) return missing.length === 0 ? isReady : { ...isReady, message: `this cluster has no addresses of ${missing.join()} for it` };
  // It has addresses, and none of a family that the import has.
  const hasOthers = addresses.length === 0 && (service?.spec?.clusterIPs ?? []).some((ip) => ip !== 'None' && ip !== '');
  if (hasOthers) return { type: 'Ready', status: 'False', reason: 'IPFamilyNotSupported', message: `it is of ${imported.ipFamilies.join(' and ')}, which this cluster has not` };
  return { type: 'Ready', status: 'False', reason: 'Pending', message: 'it has no address in this cluster yet' };
}
