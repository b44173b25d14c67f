/** Names that both ends of a protocol must have alike. */

/** Type URLs of delta ADS. */
export const ADDRESS_TYPE = 'type.googleapis.com/istio.workload.Address';
export const AUTHORIZATION_TYPE = 'type.googleapis.com/istio.security.Authorization';
export const TRUST_BUNDLE_TYPE = 'type.googleapis.com/landbridge.v1.TrustBundle';
/** Only from agents to the federation service: what their connections into other clusters came to (wire/dial-report.ts). */
export const DIAL_REPORT_TYPE = 'type.googleapis.com/landbridge.v1.DialReport';

/** envoy.service.discovery.v3.AggregatedDiscoveryService */
export const DELTA_ADS_METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
/** istio.v1.auth.IstioCertificateService */
export const CREATE_CERTIFICATE_METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate';

/** Set to `enabled` on a pod once an agent captures it; istiod and our federation service then tell others to use HBONE for it. */
export const REDIRECTION_ANNOTATION = 'ambient.istio.io/redirection';

/** Of services and workloads in discovery: what DNS names need beyond Istio's API (wire/proto/names.proto). */
export const NAMES_EXTENSION = 'landbridge.dev/names';
/** Of services in discovery: bounds of connections, and affinity (wire/proto/traffic.proto). */
export const TRAFFIC_EXTENSION = 'landbridge.dev/traffic';
/** Of workloads in discovery: services that send them no new connections (wire/proto/resting.proto). */
export const RESTING_EXTENSION = 'landbridge.dev/resting';
