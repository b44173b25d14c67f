import { err, ok, type Result } from '@landbridge/core/result.ts';

/** The parts of an authority's material, in PEM, wherever they stood. */
export interface CaFiles {
  /** The issuing certificate first; others may follow. */
  readonly certificate: string;
  readonly key: string;
  /** Further certificates on the way to a root, in any order. */
  readonly chain: string;
  /** Empty: the issuing certificate is the root. */
  readonly roots: string;
}

/** By name: a Secret's values, or the files of a folder. */
export type CaValues = Readonly<Record<string, string>>;

/** Names of the files of a layout. */
interface Layout {
  readonly certificate: string;
  readonly key: string;
  readonly chain?: string;
  readonly roots: string;
  readonly rootsMayLack: boolean;
}

/** Istio's `cacerts` ("Plug in CA Certificates") and cert-manager's Certificate (`kubernetes.io/tls` with `ca.crt`), which our own Secret has too. */
export const LAYOUTS: Readonly<Record<'istio' | 'cert-manager', Layout>> = {
  istio: { certificate: 'ca-cert.pem', key: 'ca-key.pem', chain: 'cert-chain.pem', roots: 'root-cert.pem', rootsMayLack: false },
  'cert-manager': { certificate: 'tls.crt', key: 'tls.key', roots: 'ca.crt', rootsMayLack: true },
};

export const CA_FILE_NAMES: readonly string[] = Object.values(LAYOUTS).flatMap(({ certificate, key, chain, roots }) => [certificate, key, roots, ...(chain === undefined ? [] : [chain])]);

/** Finds the parts by their names. */
export function readLayout(values: CaValues): Result<CaFiles> {
  const found = Object.values(LAYOUTS).filter(({ certificate, key }) => values[certificate] !== undefined || values[key] !== undefined);
  const [layout] = found;
  if (layout === undefined) return err(`neither ${Object.values(LAYOUTS).map(({ certificate, key }) => `${certificate} and ${key}`).join(' nor ')} is there`);
  if (found.length > 1) return err('both layouts at once: nobody could tell which of them counts');
  const missing = [layout.certificate, layout.key, ...(layout.rootsMayLack ? [] : [layout.roots])].find((name) => !values[name]);
  if (missing !== undefined) return err(`${missing} is missing or empty`);
  return ok({ certificate: values[layout.certificate] ?? '', key: values[layout.key] ?? '', chain: layout.chain === undefined ? '' : (values[layout.chain] ?? ''), roots: values[layout.roots] ?? '' });
}
