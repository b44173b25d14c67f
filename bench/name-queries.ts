/** Names for a benchmark, as our agent and as a zone file of CoreDNS have them, and questions about them. */
import { Buffer } from 'node:buffer';
import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';

export const serviceName = (n: number): string => `service-${n}`;

/** Each after its length in two bytes. Of ten: six addresses, two of a headless service, one of a family that is not there, one of nobody. */
export function queryFile(services: number, count: number): Uint8Array {
  const parts = Array.from({ length: count }, (_, at) => {
    const host = serviceName((at * 7919) % services);
    const zone = at % 2 === 0 ? 'cluster.local' : 'clusterset.local';
    switch (at % 10) {
      case 6:
      case 7:
        return exampleQueryBytes('web.shop.svc.clusterset.local', 'A', {});
      case 8:
        return exampleQueryBytes(`${host}.shop.svc.clusterset.local`, 'AAAA', {});
      case 9:
        return exampleQueryBytes(`nobody-${at}.shop.svc.clusterset.local`, 'A', {});
      default:
        return exampleQueryBytes(`${host}.shop.svc.${zone}`, 'A', {});
    }
  });
  return Buffer.concat(parts.flatMap((part) => [Buffer.of(part.length >> 8, part.length & 0xff), part]));
}

/** RFC 1035, section 5. */
export function zoneFile(zone: 'cluster.local' | 'clusterset.local', services: number): string {
  const block = zone === 'cluster.local' ? 96 : 97;
  const hosts = Array.from({ length: services }, (_, n) => `${serviceName(n)}.shop.svc 30 IN A 10.${block}.${n >> 8}.${n & 0xff}`);
  const web = zone === 'clusterset.local' ? Array.from({ length: 10 }, (_, n) => `web.shop.svc 30 IN A 10.1.0.${n}`) : [];
  return [`$ORIGIN ${zone}.`, '@ 5 IN SOA ns.dns hostmaster 1 7200 1800 86400 5', '@ 5 IN NS ns.dns', 'ns.dns 5 IN A 127.0.0.1', ...hosts, ...web, ''].join('\n');
}
