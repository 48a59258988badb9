package fleet

import "time"

// Paths of the controller's interface. All but PathJoin need the host's
// certificate.
const (
	PathJoin      = "/v1/join"
	PathRenew     = "/v1/renew"
	PathHeartbeat = "/v1/heartbeat"
	PathBundle    = "/v1/bundle" // ?after=SERIAL; answers when there is a newer one, or 204 after a while
	PathBatch     = "/v1/batch"
)

// JoinRequest asks for a certificate with a token.
type JoinRequest struct {
	Token   string `json:"token"`
	Name    string `json:"name"`    // of the host; the token may demand another
	Request []byte `json:"request"` // PKCS #10, DER: made with the host's own key
	Version string `json:"version"`
}

// RenewRequest asks for the next certificate for the same key.
type RenewRequest struct {
	Request []byte `json:"request"`
}

// Credentials is what a host needs to speak to its controller.
type Credentials struct {
	Name        string    `json:"name"`
	Role        Role      `json:"role"`
	Certificate []byte    `json:"certificate"` // DER
	Authority   []byte    `json:"authority"`   // certificate of the authority, DER
	Policy      [][]byte  `json:"policy"`      // Ed25519 keys that sign bundles
	Time        time.Time `json:"time"`        // by the controller's clock
}

// Failure is the body of an answer that is no success.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Codes of failures.
const (
	CodeToken    = "token"    // unknown, used, expired, or for another host
	CodeRevoked  = "revoked"  // the host is not enrolled, or its key was replaced
	CodeExpired  = "expired"  // the certificate is; renew it
	CodeTooLate  = "too late" // the certificate expired longer ago than it may be renewed
	CodeInvalid  = "invalid"
	CodeInternal = "internal"
)
