/** `keelback audit --help`. */

export const AUDIT_HELP = `keelback audit [APP] [options] [options of keelback serve]

  Serves the app with a probe in its workers, sends it traffic, and says for each route
  where its time goes: computing, waiting, blocking the event loop (with the line), the
  database, memory. From that it recommends settings, each with the figure it rests on.

traffic
  --path PATH          ask for this path (repeatable; / when nothing is said)
  --log FILE           what an access log has recorded: combined, or JSON as
                       --access-log-format json writes it; only GET, HEAD and OPTIONS
  --scenario FILE      requests of a TOML file, as keelback compare takes it
  --live SECONDS       serve on the usual address and watch what comes
  --header NAME:VALUE  of every request (repeatable)
  --clients N          how many at once (8)
  --rate N             requests a second, whatever the answers do; left out: as fast
                       as the clients get answers
  --seconds N          how long (10)

result
  --verify             prove the recommended settings: both in turns, without the probe,
                       3 rounds of at most 3 seconds each
  --flame FILE         flame graph of all workers, by py-spy
  --html FILE          the report as a page
  --json               the report for programs

Exit codes: 0 done, 1 the app does not start or no request reached it, 2 the command is
wrong, 130 ended by Ctrl-C before there was anything to say.

Example: keelback audit main:app --log access.log --verify --workers 2
`;
