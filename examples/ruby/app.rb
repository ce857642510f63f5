# A shop on Sinatra: it submits orders to Willcall and receives their events.

require "sinatra"

require_relative "store"
require_relative "willcall"

$stdout.sync = true

STORE = Store.new(ENV.fetch("SHOP_DB"))

set :lock, true # one database connection

post "/orders" do
  purchase = JSON.parse(request.body.read)
  STORE.add(purchase["id"]) # first, for an event may arrive before the response
  order = Willcall.call(
    "POST", "/v1/orders",
    provider: "tiqets", reference: purchase["reference"], id: purchase["id"], quantity: purchase["quantity"],
    callback_url: "#{ENV.fetch('SHOP_URL')}/willcall"
  )
  respond 201, order.slice("id", "status")
rescue Willcall::Unavailable
  respond 503, error: "try again: the same order is accepted once"
rescue Willcall::Rejected => e
  respond 422, error: e.message
end

get "/orders/:id" do
  order = STORE.find(params["id"])
  order ? respond(200, order.slice("id", "status", "tickets")) : respond(404, error: "not found")
end

post "/willcall" do
  event = Willcall.verify(
    request.body.read,
    id: request.env["HTTP_WEBHOOK_ID"],
    timestamp: request.env["HTTP_WEBHOOK_TIMESTAMP"],
    signatures: request.env["HTTP_WEBHOOK_SIGNATURE"],
    secret: ENV.fetch("WEBHOOK_SECRET")
  )
  STORE.handle(event)
  status 204
rescue Willcall::VerificationError
  status 401
end

def respond(code, document)
  content_type :json
  status code
  JSON.generate(document)
end
