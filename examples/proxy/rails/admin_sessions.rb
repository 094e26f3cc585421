# What a request did, told to adminsessions proxy. Put this file into
# config/initializers; nothing else is needed. Actions say more with
#   audit Action: "clients.suspend", Resource: "client/#{client.id} #{client.name}",
#         Changes: client.saved_changes.except("updated_at")
module AdminSessions
  private

  def audit(said) = (request.env["adminsessions"] ||= {}).merge!(said)

  # Around all callbacks, so that a request that one of them refuses is told, too.
  def process_action(*)
    super
  ensure
    user = current_user if respond_to?(:current_user, true)
    request.env["adminsessions"] = { Id: user.try(:id), Email: user.try(:email), Name: user.try(:name) }.merge(request.env["adminsessions"] || {})
  end

  # Outermost, so that the answer to an exception tells it, too.
  class Tell
    def initialize(app) = @app = app

    def call(env)
      status, headers, body = @app.call(env)
      (env["adminsessions"] || {}).compact.each do |name, value|
        text = value.respond_to?(:each) ? value.to_json : value.to_s
        headers["x-audit-#{name.downcase}"] = "UTF-8''#{ERB::Util.url_encode(text)}"
      end
      [status, headers, body]
    end
  end
end

Rails.application.config.middleware.insert_before 0, AdminSessions::Tell
ActiveSupport.on_load(:action_controller) { include AdminSessions }
