// A verifier that knows an issuer by its host name alone and looks for the key
// set where Pomerium's verifiers do. The library is not ours and not changed.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'

const [assertion, issuer, audience] = process.argv.slice(2)
const { iss } = decodeJwt(assertion)
const keys = createRemoteJWKSet(new URL('/.well-known/pomerium/jwks.json', `https://${iss}`))
const { payload } = await jwtVerify(assertion, keys, { issuer, audience, algorithms: ['ES256'] })
console.log(payload.sub)
