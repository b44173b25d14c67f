import { DNS_OPCODE_QUERY, parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import { bareAnswer, encodeDnsAnswer, encodeDnsRefusal, maxAnswerBytes } from '@landbridge/wire/dns-response.ts';
import type { DnsClient, DnsOutcome } from './dns-resolver.ts';
import { answerName } from './name-answers.ts';
import type { NameOptions, NameView } from './name-view.ts';

const DROP: DnsOutcome = { kind: 'drop' };
const FORWARD: DnsOutcome = { kind: 'forward' };

/** Is told of each query before it is answered; of what is none as a query without a type. */
export type CountQuery = (type: number | undefined, client: DnsClient, transport: 'udp' | 'tcp') => void;

/** Answers what the mesh knows. `view` is read for each query. */
export function answeringResolver(view: NameView, options: NameOptions, count: CountQuery = () => {}): (query: Uint8Array, client: DnsClient, transport: 'udp' | 'tcp') => DnsOutcome {
  return (bytes, client, transport) => {
    const parsed = parseDnsQuery(bytes);
    if (parsed.kind === 'no-query') return DROP;
    count(parsed.kind === 'query' ? parsed.query.question.type : undefined, client, transport);
    if (parsed.kind === 'malformed') return { kind: 'answer', message: encodeDnsRefusal(bytes, 'FORMERR') };
    const { query } = parsed;
    const answer = answerName(query, client, view, options);
    if (answer === undefined) return FORWARD;
    // RFC 6891, section 6.1.3. Whoever is asked instead says by itself what it knows.
    const isUnknownVersion = query.opcode === DNS_OPCODE_QUERY && query.edns !== undefined && query.edns.version !== 0;
    return { kind: 'answer', message: encodeDnsAnswer(query, isUnknownVersion ? bareAnswer('BADVERS') : answer, maxAnswerBytes(query, transport)) };
  };
}
