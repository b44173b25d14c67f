/** Where this cluster's east-west gateways take tunnels, for other networks to know. */
import type { KubernetesObject, V1Node } from '@kubernetes/client-node';
import { isServiceAccountName } from '@landbridge/core/identity.ts';
import { fields, isObject, items } from '@landbridge/core/json-fields.ts';
import { isDnsLabel } from '@landbridge/core/names.ts';
import { type Gateway, MAX_GATEWAYS } from '@landbridge/core/records.ts';
import type { LocalEndpoint, LocalService } from '../registry/local-endpoints.ts';
import { localityOf } from '../registry/placement.ts';
import { GATEWAY_PORT } from './gateway-service.ts';
import { usableAddress } from './remote-gateways.ts';

/** Of the chart: its Service, and the service account of its pods. */
export const GATEWAY_NAME = 'landbridge-gateway';
/** Of Gateway API objects; `istio-east-west` are gateways that istiod runs. */
const OWN_CLASS = 'landbridge-east-west';
const ISTIO_CLASS = 'istio-east-west';
const NETWORK_LABEL = 'topology.istio.io/network';
/** Istio's way to name the account of a gateway that is not called as its object. */
const ACCOUNT_ANNOTATION = 'gateway.istio.io/service-account';
const MAX_LOCALITY = 63;

export interface OwnGatewaySources {
  /** Of the federation service and of the chart's gateway. */
  readonly namespace: string;
  readonly network: string;
  /** Where there are any, nothing else counts: only the operator knows what translates addresses on the way. */
  readonly configured: readonly Gateway[];
  readonly service: LocalService | undefined;
  readonly nodeOf: (name: string) => V1Node | undefined;
  /** Gateways of the Gateway API, as they were read. */
  readonly objects: readonly KubernetesObject[];
}

type Place = Pick<Gateway, 'region' | 'zone'>;

/** Sorted, each once; beyond {@link MAX_GATEWAYS} they are left out. */
export function ownGateways({ namespace, network, configured, service, nodeOf, objects }: OwnGatewaySources): readonly Gateway[] {
  const found = configured.length > 0 ? configured : [...(service === undefined ? [] : ofService(service, namespace, nodeOf)), ...objects.flatMap((object) => ofObject(object, namespace, network))];
  const byPlace = new Map(found.map((gateway) => [`${gateway.address} ${gateway.port}`, gateway]));
  return [...byPlace].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, gateway]) => gateway).slice(0, MAX_GATEWAYS);
}

/** By the addresses of its balancer, or by those of the nodes on which its pods are. */
function ofService({ service: { spec, status }, endpoints }: LocalService, namespace: string, nodeOf: OwnGatewaySources['nodeOf']): Gateway[] {
  const port = spec?.ports?.find(({ name }) => name === 'hbone') ?? spec?.ports?.[0];
  const serving = servingOf(endpoints);
  if (port === undefined || serving.length === 0) return [];
  const whose = { namespace, serviceAccount: GATEWAY_NAME };
  switch (spec?.type) {
    case 'LoadBalancer': {
      const place = commonPlace(serving.map(({ node }) => placeOf(nodeOf(node ?? ''))));
      return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => addressOf(ip ?? hostname ?? '').map((address) => ({ address, port: port.port, ...place, ...whose })));
    }
    case 'NodePort': {
      const { nodePort } = port;
      if (nodePort === undefined) return [];
      return [...new Set(serving.map(({ node }) => node ?? ''))].flatMap((name) => {
        const node = nodeOf(name);
        return nodeAddress(node).map((address) => ({ address, port: nodePort, ...placeOf(node), ...whose }));
      });
    }
    default:
      return [];
  }
}

/** The ready ones. Where none is, all: who can not see whether they live must not take the last way away from others. */
function servingOf(endpoints: readonly LocalEndpoint[]): readonly LocalEndpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? ready : endpoints;
}

function nodeAddress(node: V1Node | undefined): readonly string[] {
  const addresses = node?.status?.addresses ?? [];
  const best = addresses.find(({ type }) => type === 'ExternalIP') ?? addresses.find(({ type }) => type === 'InternalIP');
  return addressOf(best?.address ?? '');
}

/** Of a gateway that somebody else runs: istiod, or whoever made the object for one of ours. */
function ofObject(object: KubernetesObject, ownNamespace: string, network: string): Gateway[] {
  const { spec: specValue, status } = object as { spec?: unknown; status?: unknown };
  const { name = '', namespace = '', labels = {}, annotations = {} } = object.metadata ?? {};
  const spec = fields(specValue);
  const className = spec['gatewayClassName'];
  if ((className !== OWN_CLASS && className !== ISTIO_CLASS) || (labels[NETWORK_LABEL] ?? network) !== network) return [];
  const listener = items(spec['listeners']).find((each) => isObject(each) && each['protocol'] === 'HBONE');
  const port = fields(listener)['port'];
  const whose = className === OWN_CLASS ? { namespace: ownNamespace, serviceAccount: GATEWAY_NAME } : { namespace, serviceAccount: annotations[ACCOUNT_ANNOTATION] ?? name };
  if (!isDnsLabel(whose.namespace) || !isServiceAccountName(whose.serviceAccount)) return [];
  const given = items(fields(status)['addresses']);
  return (given.length > 0 ? given : items(spec['addresses'])).flatMap((each) => {
    const value = fields(each)['value'];
    return addressOf(typeof value === 'string' ? value : '').map((address) => ({ address, port: isPort(port) ? port : GATEWAY_PORT, region: '', zone: '', ...whose }));
  });
}

const isPort = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0 && (value as number) <= 65535;

/** As a record says it; none for what is neither an address that others could reach nor a name. */
function addressOf(text: string): readonly string[] {
  const usable = usableAddress(text.toLowerCase());
  return usable === undefined ? [] : [usable];
}

function placeOf(node: V1Node | undefined): Place {
  const { region, zone } = localityOf(node);
  return { region: region.slice(0, MAX_LOCALITY), zone: zone.slice(0, MAX_LOCALITY) };
}

function commonPlace(places: readonly Place[]): Place {
  const [first] = places;
  const common = (of: keyof Place): string => (first !== undefined && places.every((place) => place[of] === first[of]) ? first[of] : '');
  return { region: common('region'), zone: common('zone') };
}
