package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// watchTimeout is how long the API server is asked to keep a watch open.
const watchTimeout = 4 * time.Minute

// event is a line of a watch.
type event struct {
	Type   string
	Object struct {
		Data map[string]json.RawMessage
	}
}

// Watch implements [keys.Watcher]. It returns nil every four minutes too, when
// the API server ends the watch: a Load costs less than to find out whether that
// was needed.
func (k *kubernetes) Watch(ctx context.Context, rev string) error {
	if err := k.watch(ctx, rev); err != nil {
		return k.failed("watch", err)
	}
	return nil
}

func (k *kubernetes) watch(ctx context.Context, rev string) error {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout+requestTimeout)
	defer cancel()
	// Without a resourceVersion the watch begins with the Secret as it is now.
	query := url.Values{
		"watch":               {"true"},
		"fieldSelector":       {"metadata.name=" + k.secret},
		"allowWatchBookmarks": {"true"},
		"timeoutSeconds":      {strconv.Itoa(int(watchTimeout.Seconds()))},
	}
	if rev != "" {
		query.Set("resourceVersion", rev)
	}
	began := k.now()
	response, err := k.send(ctx, http.MethodGet, k.collection()+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusGone: // rev is too old to be watched
		return nil
	default:
		a, err := readAnswer(response)
		if err != nil {
			return err
		}
		return k.refusal(a)
	}
	ended, err := awaitChange(response.Body, rev)
	if ended && k.now().Sub(began) < watchTimeout/2 {
		return errors.New("the API server ended the watch at once")
	}
	return err
}

// awaitChange reads events until one tells of another revision than rev, or the
// server ends the watch.
func awaitChange(events io.Reader, rev string) (ended bool, err error) {
	decoder := json.NewDecoder(io.LimitReader(events, maxAnswer))
	for {
		var e event
		if err := decoder.Decode(&e); err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, fmt.Errorf("the watch broke off: %w", err)
		}
		_, present := e.Object.Data[documentFile]
		switch {
		case e.Type == "BOOKMARK":
		case rev == "" && e.Type != "ERROR" && !present: // still no document
		default:
			return false, nil
		}
	}
}
