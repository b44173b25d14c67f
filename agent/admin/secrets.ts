/** What must not leave the agent, by its looks: private keys in PEM, also in base64 as certificates are told; tokens of Kubernetes; tokens to join. */
const SECRET = /-----BEGIN [A-Z ]*PRIVATE KEY-----|LS0tLS1CRUdJTiB(?!D)|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|\blb1\.[\w-]{16,}/;

export function hasSecret(text: string): boolean {
  return SECRET.test(text);
}
