import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * What a request did, told to adminsessions proxy. Handlers say more, before they
 * write their answer: {@code TellAdminSessions.say(response, "Action", "clients.suspend")}.
 */
@Component
public class TellAdminSessions extends OncePerRequestFilter {
	@Override
	protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
			throws ServletException, IOException {
		if (request.getUserPrincipal() != null) { // after Spring Security's filters
			say(response, "User", request.getUserPrincipal().getName());
		}
		chain.doFilter(request, response);
	}

	/** Says one thing; {@code Changes} as JSON. */
	public static void say(HttpServletResponse response, String name, String value) {
		if (value == null) {
			return;
		}
		response.setHeader("X-Audit-" + name, "UTF-8''" + URLEncoder.encode(value, StandardCharsets.UTF_8).replace("+", "%20"));
	}
}
