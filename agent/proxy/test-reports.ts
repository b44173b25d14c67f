/** Reports of data threads for tests. */
import type { WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { ConnectionEnd, SeriesDelta, ThreadGauges, TrafficLabels, TrafficReport } from './thread-messages.ts';

export const workloadLabels = (workload: string, over: Partial<WorkloadLabels> = {}): WorkloadLabels => ({
  workload,
  namespace: 'shop',
  canonicalName: `${workload}-app`,
  canonicalRevision: 'v1',
  cluster: 'east',
  region: 'r1',
  zone: 'z1',
  principal: `spiffe://east.landbridge/ns/shop/sa/${workload}`,
  ...over,
});

export const trafficLabels = (over: Partial<TrafficLabels> = {}): TrafficLabels => ({
  direction: 'outbound',
  carriage: 'hbone',
  source: workloadLabels('web'),
  destination: workloadLabels('cart'),
  service: { hostname: 'cart.shop.svc.cluster.local', namespace: 'shop', name: 'cart' },
  ...over,
});

const QUIET: ThreadGauges = { openConnections: 0, clientSessions: 0, serverSessions: 0, handshakes: 0, handshakesDone: 0, sockets: 0, busy: 0 };

export const report = (over: Partial<Omit<TrafficReport, 'gauges'>> & { readonly gauges?: Partial<ThreadGauges> } = {}): TrafficReport => ({
  series: [],
  ends: [],
  endsDropped: 0,
  failures: [],
  dials: [],
  ...over,
  gauges: { ...QUIET, ...over.gauges },
});

export const delta = (series: number, over: Partial<SeriesDelta> = {}): SeriesDelta => ({ series, labels: undefined, opened: 0, closed: [], failed: 0, sentBytes: 0, receivedBytes: 0, ...over });

export const connectionEnd = (over: Partial<ConnectionEnd> = {}): ConnectionEnd => ({
  series: 1,
  sourceAddress: '10.0.0.1:40000',
  destinationAddress: '10.0.1.1:15008',
  hboneAddress: '10.0.1.1:8080',
  sourceIdentity: 'spiffe://east.landbridge/ns/shop/sa/web' as SpiffeId,
  destinationIdentity: 'spiffe://east.landbridge/ns/shop/sa/cart' as SpiffeId,
  sentBytes: 84,
  receivedBytes: 358,
  durationMs: 12.6,
  flag: '-',
  error: undefined,
  traceId: undefined,
  ...over,
});
