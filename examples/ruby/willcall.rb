# What the shop needs of Willcall: calls of its API, and the verification of its webhooks.

require "base64"
require "json"
require "net/http"
require "openssl"

module Willcall
  class VerificationError < StandardError; end
  class Unavailable < StandardError; end
  class Rejected < StandardError; end

  TOLERANCE = 300 # seconds

  # Returns the JSON of the response. Raises Unavailable: nothing is lost, call again later.
  def self.call(method, path, body = nil)
    uri = URI(ENV.fetch("WILLCALL_URL") + path)
    headers = { "Authorization" => "Bearer #{ENV.fetch('WILLCALL_KEY')}", "Content-Type" => "application/json" }
    response = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") do |http|
      http.send_request(method, uri.request_uri, body && JSON.generate(body), headers)
    end
    raise Unavailable, "HTTP #{response.code}" if response.code.to_i >= 500

    document = JSON.parse(response.body)
    raise Rejected, document["detail"] unless response.is_a?(Net::HTTPSuccess)

    document
  rescue SystemCallError, IOError, SocketError, Timeout::Error => e
    raise Unavailable, e.message
  end

  # Returns the event of a webhook that Willcall signed within the last five minutes. `body` is the raw body, as it
  # was received: one that was parsed and written again has another signature.
  def self.verify(body, id:, timestamp:, signatures:, secret:)
    recent = timestamp.to_s.match?(/\A\d+\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE
    raise VerificationError, "the webhook is too old" unless recent

    key = Base64.strict_decode64(secret.delete_prefix("whsec_"))
    expected = "v1,#{Base64.strict_encode64(OpenSSL::HMAC.digest('SHA256', key, "#{id}.#{timestamp}.#{body}"))}"
    # Several while the secret is being replaced.
    signed = signatures.to_s.split.any? { |signature| OpenSSL.secure_compare(signature, expected) }
    raise VerificationError, "the signature is wrong" unless signed

    JSON.parse(body)
  end
end
