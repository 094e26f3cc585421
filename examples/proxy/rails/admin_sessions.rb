# What a request did, told to adminsessions proxy: include it in
# ApplicationController. Actions say more with
#   audit Action: "clients.suspend", Resource: "client/#{client.id} #{client.name}",
#         Changes: client.saved_changes.except("updated_at").to_json
module AdminSessions
  extend ActiveSupport::Concern

  included { after_action :tell_admin_sessions }

  def audit(said) = (@audit ||= {}).merge!(said)

  private

  def tell_admin_sessions
    said = { Id: current_user&.id, Email: current_user&.email, Name: current_user&.name }.merge(@audit || {})
    said.compact.each { |name, value| response.headers["X-Audit-#{name}"] = "UTF-8''#{ERB::Util.url_encode(value.to_s)}" }
  end
end
