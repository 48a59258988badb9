// Command dev serves the dashboard over the hand-made estate.
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/httpapi/fake"
)

func main() {
	log.Fatal(http.ListenAndServe(os.Args[1], httpapi.New(fake.New(time.Now()), httpapi.Options{})))
}
