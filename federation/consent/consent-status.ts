import type { ConsentStatus, ServiceStatus } from '../admin/admin-api.ts';
import type { ConsentReport } from './consent-report.ts';
import type { DroppedGateways } from './gateway-confinement.ts';
import type { JudgedImportPolicy } from './import-policies.ts';

/** Policies that are named; all are counted. */
const MAX_REPORTED_POLICIES = 20;

/** Records of a member that wait, and that found no room. */
export interface QuotaUse {
  readonly waiting: number;
  readonly overflow: number;
}

/** What the admin API tells of policies and members. */
export function consentStatus(judged: readonly JudgedImportPolicy[], report: ConsentReport, quotas: ReadonlyMap<string, QuotaUse>, gateways: ReadonlyMap<string, DroppedGateways>): ConsentStatus {
  const faults = judged.flatMap(({ policy: { name, fault } }) => (fault === undefined ? [] : [{ name, message: fault }]));
  const clusters = new Set([...report.keys(), ...quotas.keys(), ...gateways.keys()]);
  const members = [...clusters].map((cluster) => {
    const consent = report.get(cluster);
    const { waiting = 0, overflow = 0 } = quotas.get(cluster) ?? {};
    return { cluster, refused: counts(consent?.refused ?? new Map()), dropped: counts(consent?.dropped ?? new Map()), gateways: counts(gateways.get(cluster) ?? new Map()), held: consent?.held ?? 0, waiting, overflow, faults: [...(consent?.faults ?? [])] };
  });
  return {
    policies: { accepted: judged.length - faults.length, refused: faults.length, faults: faults.slice(0, MAX_REPORTED_POLICIES) },
    members: members.filter(({ refused, dropped, gateways: ofGateways, held, waiting, overflow, faults: ofMember }) => refused.length + dropped.length + ofGateways.length + held + waiting + overflow + ofMember.length > 0),
  };
}

/** Refused exports that are named in the report, by `<namespace>/<name>`. */
export function refusedServices(report: ConsentReport): ReadonlyMap<string, NonNullable<ServiceStatus['refused']>> {
  const services = new Map<string, NonNullable<ServiceStatus['refused']>>();
  for (const [cluster, { refusals }] of report) {
    for (const { service, reason, message } of refusals) {
      const known = services.get(service);
      if (known === undefined) services.set(service, [{ cluster, reason, message }]);
      else known.push({ cluster, reason, message });
    }
  }
  return services;
}

const counts = (by: ReadonlyMap<string, number>): { reason: string; count: number }[] => [...by].map(([reason, count]) => ({ reason, count }));
