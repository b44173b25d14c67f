import Type from 'typebox';
import { Compile } from 'typebox/compile';

/** Of any object in a namespace that an API server keeps (RFC 1123 label and subdomain). */
const ObjectNameSchema = Type.Object({
  namespace: Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }),
  name: Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' }),
});

export const objectNameValidator = Compile(ObjectNameSchema);
