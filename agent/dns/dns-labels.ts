/** Labels of metrics of names, as ztunnel has them. */
export const DNS_LABELS = ['request_query_type', 'request_protocol', 'source_canonical_service', 'source_canonical_revision'] as const;
export type DnsLabels = Readonly<Record<(typeof DNS_LABELS)[number], string>>;
