// Command ferretdb serves MongoDB's wire protocol from an SQLite directory.
// FerretDB's own command wants a version file that its Go module does not
// carry; its documented embedding API does not.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "`address` to serve the MongoDB wire protocol on")
	data := flag.String("data", "data", "`directory` of the SQLite databases")
	flag.Parse()
	if flag.NArg() > 0 {
		slog.Error("ferretdb: unexpected arguments", "arguments", flag.Args())
		os.Exit(2)
	}

	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Logger:    logger,
		Handler:   "sqlite",
		SQLiteURL: "file:" + *data + "/",
	})
	if err != nil {
		logger.Error("ferretdb: cannot start", "error", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := db.Run(ctx); err != nil {
		logger.Error("ferretdb: stopped", "error", err)
		os.Exit(1)
	}
}
