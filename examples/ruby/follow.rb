# Follow the event feed: it has every event, also those of the time when the shop was down.

require "uri"

require_relative "store"
require_relative "willcall"

$stdout.sync = true

store = Store.new(ENV.fetch("SHOP_DB"))
loop do
  after = store.cursor
  page = Willcall.call("GET", "/v1/events?#{URI.encode_www_form({ after: after, wait: 30 }.compact)}")
  if page["items"].empty?
    sleep 1
  else
    page["items"].each { |event| store.handle(event) }
    store.cursor = page["next_cursor"] # only now: after a crash above, the events are read again
  end
rescue Willcall::Unavailable
  sleep 1
end
